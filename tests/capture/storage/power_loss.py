"""What a loss of power would leave of a folder: what was synced is there, and the rest may be or not."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

Content = bytes | dict[str, int]  # of a file; of a folder, the inode behind every name
Left = dict[str, bytes | None]  # by path below the folder; None: a folder
Fate = Callable[[], bool]  # whether what was not synced made it to the disk all the same


class WatchedDisk:
    """Takes the place of os.fsync, and knows what a power loss would leave of the folder `path`, empty at first.

    Files and folders are told apart by their inodes, as file systems do it: a folder's names and a file's content are
    each on the disk once that folder, or that file, was synced. A file may have made it there all the same, each by
    itself; names all or none, as file systems with a journal (ext4, xfs, btrfs) never do half of a renaming.

    Args:
        before_sync: called before anything is synced, and so after all that was done since the last time.
    """

    def __init__(self, path: Path, patch: pytest.MonkeyPatch, before_sync: Callable[[], None]) -> None:
        self._path, self._before_sync = path, before_sync
        self._synced: dict[int, Content] = {path.stat().st_ino: {}}
        self._open: list[int] = []  # so that no inode gets the number of one that was removed
        patch.setattr(os, "fsync", self._sync)

    def close(self) -> None:
        for handle in self._open:
            os.close(handle)

    def left(self, fate: Fate) -> Left:
        """What is left if the power fails now; `fate` is asked once for all names, and for the content of each file."""
        now = {path.stat().st_ino: _content(path) for path in (self._path, *self._path.rglob("*"))}
        names = fate()
        survived = {inode: content for inode, content in now.items() if (fate() if _is_file(content) else names)}
        empty: dict[int, Content] = {inode: b"" if _is_file(content) else {} for inode, content in now.items()}
        return _tree(self._path.stat().st_ino, "", empty | self._synced | survived)

    def _sync(self, handle: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{handle}"))
        if path.is_relative_to(self._path):
            self._before_sync()
            self._open.append(os.open(path, os.O_RDONLY))
            self._synced[path.stat().st_ino] = _content(path)


def put_back(left: Left, folder: Path) -> Path:
    """Write what a power loss left into a new folder; that folder."""
    for name, content in left.items():
        if content is None:
            (folder / name).mkdir()
        else:
            (folder / name).write_bytes(content)
    return folder


def _tree(inode: int, name: str, contents: dict[int, Content]) -> Left:
    """What lies at and below an inode, parents first."""
    content = contents[inode]
    if isinstance(content, bytes):
        return {name: content}
    left: Left = {name: None}
    for entry, child in content.items():
        if child in contents:  # not so where it was removed, and had never been synced
            left |= _tree(child, os.path.join(name, entry), contents)
    return left


def _content(path: Path) -> Content:
    if path.is_dir():
        return {entry.name: entry.stat().st_ino for entry in os.scandir(path)}
    return path.read_bytes()


def _is_file(content: Content) -> bool:
    return isinstance(content, bytes)
