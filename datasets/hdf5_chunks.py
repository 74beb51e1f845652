"""Whether the pieces of an HDF5 array unpack to what they declare.

The library reads beyond the end of one that unpacks to less, and whatever one holds, however much that is.
"""

from __future__ import annotations

import math
import zlib
from itertools import product

import h5py
from h5py import h5z

from datasets.scene import DatasetError

MAX_PIECES = 2**16  # that are read at once; the library takes 4 kB for each
_CHECKSUM_BYTES = 4
_KNOWN = (h5z.FILTER_DEFLATE, h5z.FILTER_LZF, h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32)


def check_chunks(stored: h5py.Dataset, rows: slice = slice(None)) -> None:
    """Check the pieces that rows of an array lie in. Raises DatasetError where one is bad, or of unknown packing."""
    if stored.chunks is None:
        return
    name, steps = stored.name.lstrip("/"), _steps(stored)
    corners = _corners(stored, rows)
    if math.prod(map(len, corners)) > MAX_PIECES:
        raise DatasetError(
            f"'{name}' is in more than {MAX_PIECES} pieces; pack it again: h5repack -l CHUNK=... OLD NEW"
        )
    if not steps:  # no piece of such an array tells its size
        return
    size = math.prod(stored.chunks) * stored.id.get_type().get_size()
    for corner in product(*corners):
        try:
            skipped, packed = stored.id.read_direct_chunk(corner)
        except (MemoryError, OSError, RuntimeError):
            continue  # it was never written, or HDF5 will say what is wrong when it reads it
        used = [step for number, step in enumerate(steps) if not skipped >> number & 1]
        if _unpacked_size(packed, used, size) not in (None, size):
            raise DatasetError(
                f"'{name}' does not unpack to the size that it declares; the file is damaged, copy it again"
            )


def _steps(stored: h5py.Dataset) -> list[int]:
    """The numbers of the filters that packed an array, in their order."""
    settings = stored.id.get_create_plist()
    steps = [settings.get_filter(number)[0] for number in range(settings.get_nfilters())]
    if strange := [step for step in steps if step not in _KNOWN]:
        raise DatasetError(
            f"'{stored.name.lstrip('/')}' is packed by filter {strange[0]}, and only gzip, lzf, shuffle and fletcher32 "
            "are read; pack it again: h5repack -f GZIP=1 OLD NEW"
        )
    return steps


def _corners(stored: h5py.Dataset, rows: slice) -> list[range]:
    """Along each axis, where the pieces begin that the rows lie in."""
    first, stop, _ = rows.indices(stored.shape[0])
    rest = zip(stored.shape[1:], stored.chunks[1:], strict=True)
    return [range(first - first % stored.chunks[0], stop, stored.chunks[0]), *(range(0, *pair) for pair in rest)]


def _unpacked_size(packed: bytes, steps: list[int], size: int) -> int | None:
    """How many bytes a piece unpacks to; some number above `size` where there are more. None where HDF5 will notice."""
    for step in reversed(steps):
        if step == h5z.FILTER_FLETCHER32:
            packed = packed[:-_CHECKSUM_BYTES]
        elif step == h5z.FILTER_DEFLATE:
            try:
                packed = zlib.decompressobj().decompress(packed, size + 2 * _CHECKSUM_BYTES)
            except zlib.error:
                return None
        elif step == h5z.FILTER_LZF:
            return _lzf_size(packed, size)
    return len(packed)


def _lzf_size(packed: bytes, size: int) -> int:
    at = unpacked = 0
    while at < len(packed) and unpacked <= size:
        length = packed[at] >> 5
        if length == 0:  # so many bytes as they are
            unpacked += packed[at] + 1
            at += packed[at] + 2
            continue
        if length == 7:
            at += 1
            length += packed[at] if at < len(packed) else 0
        unpacked += length + 2  # bytes that were there before
        at += 2
    return unpacked
