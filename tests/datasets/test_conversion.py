"""`lds data convert` of a dataset: the recorded form holds all that the source held, under its splits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from many_scenes import write_emorl, write_gqn, write_numbered

from datasets.conversion import convert_dataset
from datasets.loading import open_dataset
from datasets.scene import DatasetError

ARRAYS = ("images", "T_world_camera", "K", "distortion", "masks", "amodal_masks", "depth", "stamps")


def clevr6(folder: Path) -> Path:
    write_emorl(folder / "clevr6.h5", {"train": 3, "test": 2})
    return folder / "clevr6.h5"


def jaco(folder: Path) -> Path:
    write_gqn(folder / "gqn_jaco_train.h5", 3)
    write_gqn(folder / "gqn_jaco_test.h5", 1, views=4)
    return folder


def numbered(folder: Path) -> Path:
    write_numbered(folder / "clevr_10-full.hdf5", 3)
    return folder


def assert_same(source: Path, out: Path) -> None:
    before, after = open_dataset(source), open_dataset(out)
    assert (after.format, after.name, after.kind) == ("recorded", before.name, before.kind)
    assert after.splits == before.splits
    for split in before.splits:
        for old, new in zip(open_dataset(source, split), open_dataset(out, split), strict=True):
            assert new.meta == {**old.meta, "converted_from": old.name} and new.objects == old.objects
            for name in ARRAYS:
                np.testing.assert_array_equal(getattr(new, name), getattr(old, name))
            assert new.viewpoint_kinds == old.viewpoint_kinds
            for kind in old.viewpoint_kinds:
                np.testing.assert_array_equal(new.viewpoints(kind), old.viewpoints(kind))


@pytest.mark.parametrize("write", [clevr6, jaco, numbered])
def test_nothing_is_lost(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    source, done = write(folder), []
    splits = convert_dataset(source, tmp_path / "out", done.append)
    assert sum(done) == sum(splits.values()) == len(open_dataset(source))
    assert_same(source, tmp_path / "out")


def test_a_part_of_a_dataset_is_none(official: Callable[..., Path], tmp_path: Path) -> None:
    """Scene files alone would be one, with other splits than the source's."""
    source = official()
    last = open_dataset(source).files()[-1]
    last.write_bytes(last.read_bytes()[:100])
    with pytest.raises(DatasetError, match=last.name):
        convert_dataset(source, tmp_path / "out")
    assert list((tmp_path / "out").glob("scene_*.h5"))
    with pytest.raises(DatasetError, match="out: the dataset holds no scenes"):
        open_dataset(tmp_path / "out")


def test_poses_and_silhouettes_of_the_official_layout_are_kept(official: Callable[..., Path], tmp_path: Path) -> None:
    source = official()
    convert_dataset(source, tmp_path / "out")
    assert_same(source, tmp_path / "out")


def test_scenes_are_not_mixed_with_others(tmp_path: Path) -> None:
    source = clevr6(tmp_path)
    convert_dataset(source, tmp_path / "out")
    with pytest.raises(DatasetError, match="out: holds scenes already"):
        convert_dataset(source, tmp_path / "out")
    with pytest.raises(DatasetError, match="holds recorded scenes"):
        convert_dataset(tmp_path / "out", tmp_path / "more")
