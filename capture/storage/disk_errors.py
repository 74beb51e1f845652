"""What goes wrong with disks, in words."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.filesize import decimal

from capture.errors import StorageError
from capture.storage.space import free_bytes
from datasets.scene import DatasetError

_FULL = (errno.ENOSPC, errno.EDQUOT)


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
        f"{path}: the disk is full: {f'{decimal(needed)} needed, ' if needed else ''}"
        f"{decimal(free_bytes(folder))} free; free some space and resume. All that was stored before is safe"
    )
