"""Files that appear whole or not at all, whatever happens to the program, the disk or the power."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from datasets.scene import DatasetError

_UMASK = os.umask(0o077)  # there is no way to ask but to set it, which must not happen while other threads write files
os.umask(_UMASK)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Write a file under the hidden name that this yields; at the end it takes the name `path` in one step.

    The content is on the disk before the name is, and the name is on the disk when this returns, with those of folders
    that were made for it. Where the body fails, `path` stays as it was.

    Raises:
        DatasetError: the file cannot be written (no space, no permission, ...).
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.writing")
    try:
        make_folder(path.parent)
        yield temporary
        os.chmod(temporary, 0o666 & ~_UMASK)  # some writers, safetensors' among them, let only the owner read
        sync(temporary)
        os.replace(temporary, path)
        sync(path.parent)
    except OSError as error:
        reason = error.strerror or error
        raise DatasetError(f"{path}: cannot be written ({reason}); see to space and permissions there") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def make_folder(path: Path) -> None:
    """Make a folder, with those above it, where there is none; new ones are on the disk when this returns."""
    new = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in new:
        sync(folder.parent)


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
