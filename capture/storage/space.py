"""Room on the disk."""

from __future__ import annotations

import shutil
from pathlib import Path

from rich.filesize import decimal

from capture.errors import StorageError

SPARE_BYTES = 2**22  # what is always left free, for journals, the index and the file system's own needs


def view_bytes(height: int, width: int, depth: bool = False, truth: bool = False) -> int:
    """How much room one stored view takes, at most."""
    return height * width * (3 + 4 * depth + truth) + 2**13


def free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def scenes_that_fit(folder: Path, views: int, bytes_per_view: int, unfinished: int = 0) -> int:
    """How many more scenes surely fit on the disk of `folder`, if they compress not at all.

    Args:
        unfinished: scenes of that size whose file is still to be written.
    """
    scene = views * bytes_per_view
    at_work = scene  # the views of the scene at work lie beside its file until that is whole
    return max(0, (free_bytes(folder) - SPARE_BYTES - at_work - unfinished * scene) // max(scene, 1))


def require_space(folder: Path, views: int, bytes_per_view: int, unfinished: int = 0) -> None:
    """Raises StorageError where one more scene may not fit."""
    if scenes_that_fit(folder, views, bytes_per_view, unfinished) < 1:
        needed = (2 + unfinished) * views * bytes_per_view + SPARE_BYTES
        raise StorageError(
            f"{folder}: no room for another scene: {views} views may need {decimal(needed)} while they are recorded, "
            f"{decimal(free_bytes(folder))} are free; free some space, or record to another disk"
        )
