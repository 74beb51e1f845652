"""HDF5 files that h5py opens, and hostile all the same: other types and sizes, links elsewhere, broken chunks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import h5py
import numpy as np
from mutation import mutated

SECRET = 77  # fills the file beside the input's folder, which must never be read
OUTSIDE = "outside.h5"


def write_mutated(rng: Random, path: Path, content: bytes, other: bytes) -> None:
    """A file like `content`, a valid one, with its bytes or its structure changed."""
    if rng.random() < 0.5:
        path.write_bytes(mutated(rng, content, other))
        return
    path.write_bytes(content)
    with suppress(MemoryError), h5py.File(path, "r+") as file:
        for _ in range(rng.choice((1, 1, 2))):
            with suppress(OSError, RuntimeError, TypeError, ValueError):  # of h5py: not even hostile files have that
                _change(rng, file)


def _change(rng: Random, file: h5py.File) -> None:
    names = _names(file)
    if names and rng.random() < 0.7:
        _change_array(rng, file, rng.choice(names))
    else:
        _change_attribute(rng, file)


def _names(file: h5py.File) -> list[str]:
    names: list[str] = []
    file.visititems(lambda name, found: names.append(name) if isinstance(found, h5py.Dataset) else None)
    return names


def _change_attribute(rng: Random, file: h5py.File) -> None:
    holder = rng.choice([file, *(file[name] for name in _names(file))])
    name = rng.choice([*holder.attrs, "depth_scale", "meta", "names"])
    text = rng.choice(
        ("", "{", "[" * 100_000, "{}", "[]", "NaN", '{"skipped_views": 3}', '{"view_numbers": [[]]}', "\ud7ff")
    )
    values = (
        text,
        np.bytes_(b"\xff\xfe"),
        np.float64("nan"),
        -1.0,
        0,
        2**63,
        np.zeros(0),
        np.zeros((2, 2)),
        h5py.Empty("f8"),
    )
    holder.attrs.create(name, rng.choice([text, *values]))


def _change_array(rng: Random, file: h5py.File, name: str) -> None:
    old = file[name]
    value, attributes = old[...], dict(old.attrs)
    del file[name]
    rng.choice(_ARRAYS)(rng, file, name, value)
    for key, told in attributes.items():
        if isinstance(file.get(name, getlink=True), h5py.HardLink):
            file[name].attrs[key] = told


def _other_type(rng: Random, file: h5py.File, name: str, value: np.ndarray) -> None:
    kind = rng.choice("u1 i8 f2 f4 f8 >f4 >u2 c8 b1 S3".split())
    with np.errstate(all="ignore"):
        file[name] = value.astype(kind)


def _no_numbers(rng: Random, file: h5py.File, name: str, value: np.ndarray) -> None:
    kinds = (
        h5py.string_dtype(), h5py.vlen_dtype(np.uint8), h5py.ref_dtype, np.dtype([("a", "u1"), ("b", "f4")]),
        np.dtype("V5"), h5py.enum_dtype({"a": 0}, "u1"), np.dtype(("u1", (3,))),
    )  # fmt: skip
    file.create_dataset(name, shape=value.shape[:2], dtype=rng.choice(kinds))


def _other_shape(rng: Random, file: h5py.File, name: str, value: np.ndarray) -> None:
    shapes = ((), (0,), (1,), (0, *value.shape[1:]), value.shape[1:], (1, *value.shape), value.shape[::-1])
    file.create_dataset(name, shape=rng.choice(shapes), dtype=value.dtype)


def _huge(rng: Random, file: h5py.File, name: str, value: np.ndarray) -> None:
    """Declares up to exabytes and holds nothing."""
    rest = value.shape[1:] or (1,)
    shape = rng.choice(((2**40, *rest), (2**20, *rest), (*value.shape[:1], 2**31, 2**20), (2**16, 2**14, 2**14)))
    chunks = tuple(min(length, rng.choice((1, 16, 2**13))) for length in shape)
    file.create_dataset(name, shape=shape, dtype=value.dtype, chunks=chunks, fillvalue=rng.choice((0, 1)))


def _not_finite(rng: Random, file: h5py.File, name: str, value: np.ndarray) -> None:
    odd = value.astype(np.float64)
    odd.flat[rng.randrange(max(1, odd.size)) if odd.size else slice(0)] = rng.choice((np.nan, np.inf, -1, 1e300, 0.5))
    file[name] = odd.astype(value.dtype if value.dtype.kind == "f" else rng.choice((np.float64, np.float32)))


def _linked(rng: Random, file: h5py.File, name: str, value: np.ndarray) -> None:
    own = Path(file.filename)
    file[name] = rng.choice((
        h5py.SoftLink("/"), h5py.SoftLink(f"/{name}"), h5py.SoftLink("/nowhere"),
        h5py.ExternalLink(f"../{OUTSIDE}", name),
        h5py.ExternalLink(str(own.parent.parent / OUTSIDE), name), h5py.ExternalLink(own.name, name),
    ))  # fmt: skip


def _elsewhere(rng: Random, file: h5py.File, name: str, value: np.ndarray) -> None:
    """An array whose numbers lie in another file: a virtual one, or raw bytes."""
    outside = Path(file.filename).parent.parent / OUTSIDE
    if rng.random() < 0.5:
        layout = h5py.VirtualLayout(value.shape, value.dtype)
        layout[...] = h5py.VirtualSource(str(outside), name, value.shape, value.dtype)
        file.create_virtual_dataset(name, layout)
    else:
        file.create_dataset(name, value.shape, value.dtype, external=[(str(outside), 0, value.nbytes)])


def _broken_chunk(rng: Random, file: h5py.File, name: str, value: np.ndarray) -> None:
    if not value.ndim or not value.size:
        file[name] = value
        return
    filters = rng.choice(({"compression": "gzip"}, {"compression": "lzf"}, {"shuffle": True}, {"fletcher32": True}))
    stored = file.create_dataset(name, data=value, chunks=(1, *value.shape[1:]), **filters)
    at = (rng.randrange(len(value)), *(0 for _ in value.shape[1:]))
    stored.id.write_direct_chunk(at, rng.choice((b"x", b"x" * 10, bytes(100_000), b"\xff" * 8)))


def _group(rng: Random, file: h5py.File, name: str, value: np.ndarray) -> None:
    file.create_group(name)["x"] = 1


_ARRAYS: tuple[Callable[[Random, h5py.File, str, np.ndarray], None], ...] = (
    _other_type, _no_numbers, _other_shape, _huge, _not_finite, _linked, _elsewhere, _broken_chunk, _group
)  # fmt: skip
