"""Named arrays from .npz archives and structured .npy arrays, without trusting what the files declare. No pickle."""

from __future__ import annotations

import math
import os
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from tokenize import TokenError
from typing import IO

import numpy as np
from numpy.lib import format as npy

from datasets.scene import DatasetError
from datasets.scene_dataset import MAX_ARRAY_BYTES

_ZIP_MAGIC = b"PK\x03\x04"
_PICKLE_MAGIC = b"\x80"
_MAX_HEADER_BYTES = 2**16
_HEADER_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
# What NumPy, zipfile and zlib raise on damaged content (NotImplementedError is a RuntimeError).
_DAMAGE = (ValueError, EOFError, KeyError, RuntimeError, SyntaxError, TokenError, zipfile.BadZipFile, zlib.error)
_IS_PICKLE = (
    "holds pickled Python objects, which can run any code when they are loaded, so it is refused; "
    "if you trust its source, load it yourself and save the arrays with np.savez"
)


def read_named_arrays(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Read arrays by name from an .npz archive or a structured .npy array, whatever the file's name ends with.

    Sizes are checked before memory is taken: what a header declares must fit the file and stay under MAX_ARRAY_BYTES.

    Raises:
        DatasetError: the file is missing, truncated, a pickle or neither of the two kinds, lacks one of the arrays, or
            declares an absurd size. The message names the file.
    """
    try:
        with open(path, "rb") as file:
            return _read(file, names)
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such file; the dataset is not complete, copy or download it again") from None
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror or error})") from error
    except DatasetError as error:
        raise DatasetError(f"{path}: {error}") from None
    except _DAMAGE as error:
        reason = str(error).partition("\n")[0][:200]  # NumPy goes on with advice to allow pickles
        raise DatasetError(f"{path}: is truncated or damaged ({reason}); copy or download it again") from error


def _read(file: IO[bytes], names: Sequence[str]) -> dict[str, np.ndarray]:
    magic = file.read(len(npy.MAGIC_PREFIX))
    file.seek(0)
    if magic.startswith(_ZIP_MAGIC):
        return _read_archive(file, names)
    if magic == npy.MAGIC_PREFIX:
        return _read_structured(file, names)
    if magic.startswith(_PICKLE_MAGIC):
        raise DatasetError(_IS_PICKLE)
    if not magic:
        raise DatasetError("is empty; copy or download it again")
    raise DatasetError("is neither an .npz archive nor a NumPy array")


def _read_archive(file: IO[bytes], names: Sequence[str]) -> dict[str, np.ndarray]:
    arrays = {}
    with zipfile.ZipFile(file) as archive:
        members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
        _require(names, list(members))
        for name in names:
            member = members[name]
            if member.file_size > MAX_ARRAY_BYTES + _MAX_HEADER_BYTES:
                size = member.file_size / 1e9
                raise DatasetError(f"'{name}' unpacks to {size:.1f} GB; the file is damaged or hostile")
            with archive.open(member) as stream:
                _check_header(stream, name, member.file_size)
            with archive.open(member) as stream:
                arrays[name] = npy.read_array(stream, allow_pickle=False)
    return arrays


def _read_structured(file: IO[bytes], names: Sequence[str]) -> dict[str, np.ndarray]:
    dtype = _check_header(file, "the array", os.fstat(file.fileno()).st_size)
    _require(names, list(dtype.names or ()))
    file.seek(0)
    record = npy.read_array(file, allow_pickle=False)
    return {name: record[name] for name in names}


def _check_header(stream: IO[bytes], name: str, available: int) -> np.dtype:
    """Read an .npy header; refuse one that does not fit the `available` bytes of header and content together."""
    version = npy.read_magic(stream)
    if version not in _HEADER_READERS:
        raise DatasetError(f"'{name}' is of .npy version {version}, which is not supported")
    shape, _, dtype = _HEADER_READERS[version](stream)
    if dtype.hasobject:
        raise DatasetError(_IS_PICKLE)
    size = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or size > MAX_ARRAY_BYTES:
        raise DatasetError(f"'{name}' declares an absurd size, {dtype} {list(shape)}; the file is damaged or hostile")
    if stream.tell() + size != available:
        raise DatasetError(
            f"'{name}' declares {dtype} {list(shape)}, which does not fit its {available} bytes; "
            f"the file is truncated or damaged, copy or download it again"
        )
    return dtype


def _require(names: Sequence[str], found: Sequence[str]) -> None:
    for name in names:
        if name not in found:
            raise DatasetError(f"has no array '{name}' (it holds {', '.join(found) or 'none with a name'})")
