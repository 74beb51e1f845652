"""Where the experiment presets lie."""

from __future__ import annotations

from pathlib import Path


def presets_folder() -> Path:
    """Beside the code in a checkout; in PREFIX/share/lds_scenes where pip or catkin installed the package."""
    here = Path(__file__).resolve()
    beside = here.parents[1] / "config" / "experiments"
    if beside.is_dir():
        return beside
    prefix = here.parents[4]  # of PREFIX/lib/python3/...-packages/lds_models/presets.py
    return prefix / "share" / "lds_scenes" / "config" / "experiments"


def preset_names() -> list[str]:
    return sorted(path.stem for path in presets_folder().glob("*.yaml"))
