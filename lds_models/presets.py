"""Where what can be chosen by name lies: experiment presets, robots, cameras and others."""

from __future__ import annotations

from pathlib import Path


def config_folder() -> Path:
    """Beside the code in a checkout; in PREFIX/share/lds_scenes where pip or catkin installed the package."""
    here = Path(__file__).resolve()
    beside = here.parents[1] / "config"
    if beside.is_dir():
        return beside
    prefix = here.parents[4]  # of PREFIX/lib/python3/...-packages/lds_models/presets.py
    return prefix / "share" / "lds_scenes" / "config"


def presets_folder() -> Path:
    return config_folder() / "experiments"


def preset_names() -> list[str]:
    return sorted(path.stem for path in presets_folder().glob("*.yaml"))
