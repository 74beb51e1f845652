"""Reading HDF5 files that others wrote, without trusting what they declare.

Sizes are checked before memory is taken, Python objects (pickles by another name) are refused, and nothing is read
that lies in another file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from datasets.hdf5_chunks import check_chunks
from datasets.hdf5_text import check_text
from datasets.scene import DatasetError
from datasets.scene_dataset import MAX_ARRAY_BYTES

MAX_KEPT_BYTES = 2**28  # of an array
KeptRows = dict[tuple[str, str], tuple[int, np.ndarray]]  # (file, array) -> number of the first row, rows
_DAMAGE = (OSError, KeyError, ValueError, RuntimeError, TypeError)  # what h5py raises on damaged content


@contextmanager
def open_hdf5(path: Path, with_text: bool = False) -> Iterator[h5py.File]:
    """Open a file for reading; whatever goes wrong with it inside `with` becomes a DatasetError that names it.

    Args:
        with_text: whether attributes will be read that are text.
    """
    path = Path(path)
    if not path.exists():
        raise DatasetError(f"{path}: no such file; the dataset is not complete, copy or record it again")
    try:
        # Datasets do not change while they are read, so no lock is needed (network disks often have none).
        if with_text:
            check_text(path)
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except DatasetError as error:
        raise DatasetError(f"{path}: {str(error).removeprefix(f'{path.stem}: ')}") from None
    except _DAMAGE as error:
        reason = str(error).strip("'\"").partition("\n")[0][:200]
        raise DatasetError(f"{path}: is truncated, damaged or no HDF5 file ({reason}); copy it again") from error
    except MemoryError as error:
        raise DatasetError(f"{path}: takes more memory than there is; the file is damaged, or too large") from error


def stored_array(group: h5py.Group, name: str) -> h5py.Dataset:
    """The array `name` of numbers that lies in this very file; none of it is read.

    Raises:
        DatasetError: it is missing or no array, lies in another file, or holds Python objects.
    """
    if name not in group:
        raise DatasetError(f"has no array '{name}' (it holds {', '.join(group) or 'nothing'})")
    stored = group[name]
    own = isinstance(stored, h5py.Dataset) and _lies_here(group, name)
    if not own or stored.is_virtual or stored.external:
        raise DatasetError(f"'{name}' is no array stored in this file")
    if stored.dtype.hasobject:
        raise DatasetError(f"'{name}' holds Python objects or text, which is refused; export it as numbers")
    if stored.dtype.kind not in "buif":
        raise DatasetError(f"'{name}' must hold numbers, got {stored.dtype}")
    return stored


def read_array(stored: h5py.Dataset, limit: int = MAX_ARRAY_BYTES) -> np.ndarray:
    """All of an array. Raises DatasetError where it declares more than `limit` bytes, or is damaged."""
    _check_size(stored, stored.shape, limit)
    check_chunks(stored)
    return stored[...]


def read_row(stored: h5py.Dataset, row: int, kept: KeptRows) -> np.ndarray:
    """`stored[row]`, and no more of the array than the rows that the file keeps in one piece with it.

    Args:
        kept: such rows, from one call for the next; without them, reading rows one after another would unpack each
            piece as often as it has rows. The array that is returned may lie in them: do not change it.

    Raises:
        DatasetError: a row declares an absurd size.
    """
    _check_size(stored, stored.shape[1:])
    together = stored.chunks[0] if stored.chunks else 1
    if together == 1 or together * math.prod(stored.shape[1:]) * stored.dtype.itemsize > MAX_KEPT_BYTES:
        check_chunks(stored, slice(row, row + 1))
        return stored[row]
    key, first = (stored.file.filename, stored.name), row - row % together
    if key not in kept or kept[key][0] != first:
        check_chunks(stored, slice(first, first + together))
        kept[key] = first, stored[first : first + together]
    return kept[key][1][row - first]


def _lies_here(group: h5py.Group, name: str) -> bool:
    """Whether only hard links lead from the group to `name`: soft and external ones may lead into other files."""
    parts = name.split("/")
    paths = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
    return all(isinstance(group.get(path, getlink=True), h5py.HardLink) for path in paths)


def _check_size(stored: h5py.Dataset, shape: tuple[int, ...], limit: int = MAX_ARRAY_BYTES) -> None:
    """Also of the chunks, which HDF5 unpacks whole."""
    for declared in (shape, stored.chunks or ()):
        if math.prod(declared) * stored.dtype.itemsize > limit:
            name = stored.name.lstrip("/")
            raise DatasetError(f"'{name}' declares an absurd size, {list(stored.shape)}; the file is damaged")
