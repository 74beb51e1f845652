"""CLEVR6 and its siblings: three public HDF5 exports give the same scenes."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from many_scenes import draw_images, write_channels_first, write_emorl, write_gqn, write_numbered

from datasets.loading import open_dataset
from datasets.scene import DatasetError, Scene
from datasets.scene_dataset import SceneDataset


def assert_shows(dataset: SceneDataset, images: np.ndarray, numbers: np.ndarray) -> None:
    scenes: list[Scene] = list(dataset)
    np.testing.assert_array_equal(np.concatenate([scene.images for scene in scenes]), images)
    np.testing.assert_array_equal(np.concatenate([scene.masks for scene in scenes]), numbers)
    assert {scene.num_views for scene in scenes} == {1} and dataset.format == "multi_object"


def test_groups_are_splits(tmp_path: Path) -> None:
    drawn = write_emorl(tmp_path / "clevr6_with_masks_train.h5", {"train": 5, "val": 2})
    assert open_dataset(tmp_path).splits == {"train": 5, "val": 2}
    for split, (images, numbers) in drawn.items():
        assert_shows(open_dataset(tmp_path, split), images, numbers)


def test_files_beside_each_other_are_one_dataset(tmp_path: Path) -> None:
    write_emorl(tmp_path / "clevr6_with_masks_train.h5", {"train": 3})
    write_emorl(tmp_path / "clevr6_with_masks_and_factors_test.h5", {"test": 2})
    assert open_dataset(tmp_path).splits == {"test": 2, "train": 3}
    assert open_dataset(tmp_path / "clevr6_with_masks_train.h5").splits == {"train": 3}
    with pytest.raises(DatasetError, match="clevr6_with_masks_train.h5: has no split 'test'; it has train"):
        open_dataset(tmp_path / "clevr6_with_masks_train.h5", "test")


def test_channels_first(tmp_path: Path) -> None:
    drawn = write_channels_first(tmp_path / "clevr_with_masks.hdf5", 3)
    assert_shows(open_dataset(tmp_path, "all"), *drawn)


def test_entities_by_number_without_a_split(tmp_path: Path) -> None:
    drawn = write_numbered(tmp_path / "clevr_10-full.hdf5", 3)
    assert_shows(open_dataset(tmp_path, "all"), *drawn)


def test_rows_stored_together_come_out_as_they_were_in_any_order(tmp_path: Path) -> None:
    images, numbers = draw_images(11)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for split, rows in (("train", slice(0, 9)), ("test", slice(9, 11))):
            file.create_dataset(f"{split}/imgs", data=images[rows], chunks=(2, 6, 16, 1), compression="gzip")
            file.create_dataset(f"{split}/masks", data=numbers[rows, ..., None], chunks=(2, 12, 16, 1))
    dataset = open_dataset(tmp_path)
    assert_shows(dataset, images, numbers)
    for index in np.random.default_rng(0).permutation(11):
        np.testing.assert_array_equal(dataset[index].images[0], images[index])
        np.testing.assert_array_equal(dataset[index].masks[0], numbers[index])
    assert len(pickle.dumps(dataset)) < 2000, "rows that were read do not travel with it"


def test_rows_stored_together_are_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, _ = draw_images(8)
    with h5py.File(tmp_path / "a_train.h5", "w") as file:
        file.create_dataset("image", data=images, chunks=(4, *images.shape[1:]), compression="gzip")
    read: list[object] = []
    plain = h5py.Dataset.__getitem__
    monkeypatch.setattr(h5py.Dataset, "__getitem__", lambda self, rows: read.append(rows) or plain(self, rows))
    list(open_dataset(tmp_path))
    assert read == [slice(0, 4), slice(4, 8)]


def test_a_hidden_entity_keeps_the_others_numbers(tmp_path: Path) -> None:
    """Numbers 0 and 2 only: object 1 has no pixel, and object 2 does not become object 1."""
    masks = np.zeros((1, 3, 6, 6, 1), np.uint8)
    masks[0, 0], masks[0, 2, 2:4, 2:4], masks[0, 0, 2:4, 2:4] = 255, 255, 0
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["train/imgs"], file["train/masks"] = np.zeros((1, 6, 6, 3), np.uint8), masks
    assert set(np.unique(open_dataset(tmp_path)[0].masks)) == {0, 2}


def test_soft_masks_give_each_pixel_to_the_strongest(tmp_path: Path) -> None:
    masks = np.random.default_rng(0).random((2, 4, 6, 6, 1)).astype(np.float32)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["test/imgs"], file["test/masks"] = np.zeros((2, 6, 6, 3), np.uint8), masks
    np.testing.assert_array_equal(open_dataset(tmp_path)[1].masks[0], masks[1, ..., 0].argmax(0))


def test_masks_may_be_missing(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a_train.h5", "w") as file:
        file["image"] = draw_images(2)[0]
    assert open_dataset(tmp_path)[1].masks is None


@pytest.mark.parametrize(
    ("masks", "words"),
    [
        (np.zeros((3, 4, 6, 7, 1), np.uint8), r"'masks' must be \[N,O,H,W,1\].*H, W = \[6, 6\]"),
        (np.zeros((3, 4, 6, 6, 3), np.uint8), r"'masks' must be \[N,O,H,W,1\]"),
        (np.full((3, 4, 6, 6, 1), np.nan), "'masks' holds NaN"),
        (np.full((3, 6, 6, 1), 255, np.uint8), "whole numbers from 0 to 254"),
        (np.full((3, 6, 6, 1), 0.5, np.float32), "whole numbers from 0 to 254"),
        (np.full((3, 6, 6, 1), -1, np.int16), "whole numbers from 0 to 254"),
        (np.zeros((2, 4, 6, 6, 1), np.uint8), "'masks' has 2 rows, 'imgs' has 3"),
        (np.zeros((), np.uint8), "'masks' has 0 rows"),
        (np.zeros((3, 0, 6, 6, 1), np.uint8), r"'masks' must be \[N,O,H,W,1\]"),
    ],
)
def test_wrong_masks_are_named(tmp_path: Path, masks: np.ndarray, words: str) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["train/imgs"], file["train/masks"] = np.zeros((3, 6, 6, 3), np.uint8), masks
    with pytest.raises(DatasetError, match=f"a.h5: scene train_000000: .*{words}"):
        open_dataset(tmp_path)[0]


def _link_a_group_elsewhere(path: Path) -> None:
    write_emorl(path.with_name("other.bin"), {"train": 2})
    with h5py.File(path, "w") as file:
        file["train"] = h5py.ExternalLink("other.bin", "train")


def _scalar(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["train/imgs"] = np.uint8(3)


@pytest.mark.parametrize(
    ("write", "words"),
    [(_link_a_group_elsewhere, "'train/imgs' is no array stored in this file"), (_scalar, "must have a row for each")],
)
def test_wrong_files_are_refused_when_opened(tmp_path: Path, write: Callable[[Path], None], words: str) -> None:
    write(tmp_path / "a.h5")
    with pytest.raises(DatasetError, match=f"a.h5: .*{words}"):
        open_dataset(tmp_path)


def test_other_files_in_the_folder_are_not_passed_over(tmp_path: Path) -> None:
    write_emorl(tmp_path / "clevr6_train.h5", {"train": 2})
    with h5py.File(tmp_path / "notes.h5", "w") as file:
        file["what"] = np.zeros(3)
    with pytest.raises(DatasetError, match=r"notes.h5: is no multi_object dataset, unlike others beside it"):
        open_dataset(tmp_path)
    assert len(open_dataset(tmp_path / "clevr6_train.h5")) == 2


def test_two_formats_in_a_folder_are_not_chosen_between(tmp_path: Path) -> None:
    write_emorl(tmp_path / "clevr6.h5", {"train": 2})
    write_gqn(tmp_path / "gqn_jaco_train.h5", 2)
    with pytest.raises(DatasetError, match="clevr6.h5: is no gqn_jaco dataset, unlike others beside it"):
        open_dataset(tmp_path)


def test_the_digest_of_a_large_file_notices_its_size_and_both_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasets.scene_dataset.HASHED_BLOCK", 64)
    monkeypatch.setattr("datasets.scene_dataset.HASHED_BLOCKS", 8)
    path = tmp_path / "a.h5"
    write_emorl(path, {"train": 4})
    dataset, whole = open_dataset(path), path.read_bytes()
    digests = {dataset.digest()}
    for content in (whole + b"\0", b"\1" + whole[1:], whole[:-1] + bytes([whole[-1] ^ 1])):
        path.write_bytes(content)
        digests.add(dataset.digest())
    assert len(digests) == 4
