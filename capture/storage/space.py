"""Room on the disk, and what goes wrong with disks in words."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from capture.errors import StorageError
from datasets.scene import DatasetError

SPARE_BYTES = 2**22  # what is always left free, for journals, the index and the file system's own needs
_FULL = (errno.ENOSPC, errno.EDQUOT)


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
            f"{folder}: no room for another scene: {views} views may need {readable(needed)} while they are recorded, "
            f"{readable(free_bytes(folder))} are free; free some space, or record to another disk"
        )


@contextmanager
def explained(path: Path, needed: int = 0) -> Iterator[None]:
    """Whatever the disk or the file system refuses inside `with` becomes a StorageError that names `path`.

    Args:
        needed: bytes that are to be written there.
    """
    try:
        yield
    except DatasetError as error:
        if not isinstance(error.__cause__, OSError):
            raise StorageError(str(error)) from error
        raise StorageError(in_words(path, error.__cause__, needed)) from error
    except OSError as error:
        raise StorageError(in_words(path, error, needed)) from error


def in_words(path: Path, error: OSError, needed: int = 0) -> str:
    """What the disk or the file system refuses at `path`, and what to do."""
    if error.errno not in _FULL:
        reason = error.strerror or error
        return f"{path}: cannot be read or written ({reason}); see to the disk and to permissions there"
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    return (
        f"{path}: the disk is full: {f'{readable(needed)} needed, ' if needed else ''}"
        f"{readable(free_bytes(folder))} free; free some space and resume. All that was stored before is safe"
    )


def readable(size: float) -> str:
    """A number of bytes as people read it."""
    if size < 1e6:
        return f"{size / 1e3:.0f} kB"
    return f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"
