"""kill -9 while a dataset is packed: the packed file is whole or not there, and the next attempt makes it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
from kills import duration, finished_files, killed, moment
from nursery import Nursery
from scenes import scene_file

from datasets.packing import cache_folder, pack, read_packed

SCENES, SIZE = 9, 128  # enlarged, so that there is something to write


def pack_it(dataset: Path, cache: Path) -> None:
    os.environ["LDS_CACHE"] = str(cache)
    assert len(pack(dataset, "train", SIZE).names) == SCENES
    assert len(finished_files(cache_folder())) == 1


def test_packing_survives_kills_at_any_moment(nursery: Nursery, share: Callable[[int], int], tmp_path: Path) -> None:
    dataset, whole, cache = (tmp_path / name for name in ("dataset", "whole", "cache"))
    dataset.mkdir()
    for index in range(SCENES):
        (dataset / f"scene_{index:06d}.h5").write_bytes(scene_file(index))
    seconds = min(duration(nursery, pack_it, dataset, folder) for folder in (tmp_path / "first", whole))
    (name,) = finished_files(whole)
    expected, rng, kills = read_packed(whole / name), Random(0), 0
    while kills < share(400):
        kills += killed(nursery, moment(rng, seconds), pack_it, dataset, cache)
        made = finished_files(cache)
        assert made <= {name}
        if made:
            _expect_equal(read_packed(cache / name), expected)
            (cache / name).unlink()
    assert nursery.wait(nursery.start(pack_it, dataset, cache)) == 0
    _expect_equal(read_packed(cache / name), expected)


def _expect_equal(found, expected) -> None:
    for array in ("images", "first_view", "masks"):
        np.testing.assert_array_equal(getattr(found, array), getattr(expected, array))
    for kind, values in expected.viewpoints.items():
        np.testing.assert_array_equal(found.viewpoints[kind], values)
    assert (found.names, found.digest) == (expected.names, expected.digest)
