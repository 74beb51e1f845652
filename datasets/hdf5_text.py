"""Whether an HDF5 file's text (attributes of any length) is whole. On some that is not, the library never returns."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

from datasets.scene import DatasetError

_HEAP, _HEADER = b"GCOL\1", 16  # what a heap of text begins with; bytes of its header, and of that of each part


def check_text(path: Path) -> None:
    """Check the heaps that a file keeps text in. Raises DatasetError where one is damaged."""
    with open(path, "rb") as file:
        if not file.read(1):
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            start = content.find(_HEAP)
            while start >= 0:
                _check_heap(content, start)
                start = content.find(_HEAP, start + 1)


def _check_heap(content: mmap.mmap, start: int) -> None:
    """Goes from part to part as the library does, which stays where it is at a part without size."""
    if start + _HEADER > len(content):
        return
    (size,) = struct.unpack_from("<Q", content, start + 8)
    at, end = start + _HEADER, min(start + size, len(content))
    while at + _HEADER <= end:
        number, length = struct.unpack_from("<H6xQ", content, at)
        step = _HEADER + -(-length // 8) * 8 if number else length  # number 0 is free space, its header counted
        if step < _HEADER:
            raise DatasetError("its text is damaged; copy it again")
        at += step
