"""Where the experiment presets lie."""

from __future__ import annotations

import sys
from pathlib import Path


def presets_folder() -> Path:
    """Beside the code in a checkout; in the environment's share/ where the package was installed."""
    beside = Path(__file__).parent.parent / "config" / "experiments"
    return beside if beside.is_dir() else Path(sys.prefix) / "share" / "lds_scenes" / "config" / "experiments"


def preset_names() -> list[str]:
    return sorted(path.stem for path in presets_folder().glob("*.yaml"))
