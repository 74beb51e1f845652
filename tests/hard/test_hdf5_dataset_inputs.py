"""Many scenes in one HDF5 file made hostile: GQN-Jaco, the Multi-Object Datasets, and what we pack."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
from batches import Kind, expect_none_at_fault
from hdf5_mutation import OUTSIDE, SECRET, write_mutated
from nursery import Nursery
from scenes import SIZE, VIEWS, full_scene, hdf5, read_all

from datasets.packing import pack, read_packed, write_packed
from datasets.scene import DatasetError

ROWS = 3


@functools.cache
def gqn(seed: int, fill: int | None = None) -> bytes:
    rng = np.random.default_rng(seed)
    return hdf5(images=_pixels(rng, fill, ROWS, VIEWS, SIZE, SIZE, 3), viewpoints=rng.normal(size=(ROWS, VIEWS, 7)))


@functools.cache
def multi_object(seed: int, fill: int | None = None) -> bytes:
    """The three public exports, one a seed modulo three."""
    rng = np.random.default_rng(seed)
    if seed % 3 == 0:
        masks = 255 * rng.integers(0, 2, (ROWS, 4, SIZE, SIZE, 1), np.uint8)
        return hdf5(train__imgs=_pixels(rng, fill, ROWS, SIZE, SIZE, 3), train__masks=masks)
    if seed % 3 == 1:
        masks = 255 * rng.integers(0, 2, (ROWS, 4, 1, SIZE, SIZE), np.uint8)
        return hdf5(image=_pixels(rng, fill, ROWS, 3, SIZE, SIZE), mask=masks)
    masks = rng.integers(0, 4, (ROWS, SIZE, SIZE, 1), np.uint8)
    return hdf5(image=_pixels(rng, fill, ROWS, SIZE, SIZE, 3), mask=masks)


@functools.cache
def packed(seed: int, fill: int | None = None) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "p.h5"
        write_packed(path, [full_scene(seed, fill), full_scene(seed + 1, fill)], "here", "train", "digest", SIZE)
        return path.read_bytes()


def _pixels(rng: np.random.Generator, fill: int | None, *shape: int) -> np.ndarray:
    drawn = rng.integers(0, 256, shape, np.uint8)
    return drawn if fill is None else np.full_like(drawn, fill)


def _write(rng: Random, folder: Path, name: str, content: Callable[..., bytes]) -> Path:
    seed = rng.randrange(3)
    (folder / OUTSIDE).write_bytes(content(seed, SECRET))
    path = folder / "d" / name
    path.parent.mkdir()
    write_mutated(rng, path, content(seed), content(seed + 1))
    return path


def write_gqn(rng: Random, folder: Path) -> Path:
    return _write(rng, folder, "gqn_jaco_train.h5", gqn).parent


def write_multi_object(rng: Random, folder: Path) -> Path:
    return _write(rng, folder, "clevr6.h5", multi_object)


def write_packed_file(rng: Random, folder: Path) -> Path:
    return _write(rng, folder, "p.h5", packed)


def read_packed_file(path: Path) -> None:
    found = read_packed(path)
    assert not (found.images == SECRET).all(), "a file outside was read"
    assert found.most_objects is None or found.most_objects >= 0
    assert len(found.names) == len(found.first_view) - 1 and found.first_view[-1] == len(found.images)
    pack(path, found.split, found.image_size)


def test_every_gqn_file_is_read_or_refused(nursery: Nursery, share: Callable[[int], int], tmp_path: Path) -> None:
    expect_none_at_fault(nursery, Kind(write_gqn, read_all, (DatasetError,)), share(800), tmp_path)


def test_every_multi_object_file_is_read_or_refused(
    nursery: Nursery, share: Callable[[int], int], tmp_path: Path
) -> None:
    expect_none_at_fault(nursery, Kind(write_multi_object, read_all, (DatasetError,)), share(800), tmp_path)


def test_every_packed_file_is_read_or_refused(nursery: Nursery, share: Callable[[int], int], tmp_path: Path) -> None:
    expect_none_at_fault(nursery, Kind(write_packed_file, read_packed_file, (DatasetError,)), share(800), tmp_path)
