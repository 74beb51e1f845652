"""Segmentations that are kept: a dataset of single views that every command takes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from shown_commands import shown_commands

from datasets.check import check_dataset
from datasets.loading import open_dataset
from datasets.scene import DatasetError
from perception.keeper import Keeper
from perception.placing import Lens, Places
from perception.segmentation import ObjectSegment, Region, Segmentation

PAGE = Path(__file__).resolve().parents[2] / "docs/own_camera.md"
LENS = Lens(np.diag([50.0, 50.0, 1.0]), np.zeros(5), (48, 64))


def frame(first: int, second: int) -> tuple[np.ndarray, Segmentation]:
    """A picture with two objects of these ids."""
    image = np.random.default_rng(first).integers(0, 256, (48, 64, 3), np.uint8)
    labels = np.zeros((48, 64), np.int32)
    labels[5:20, 5:25], labels[25:40, 30:50] = first, second
    objects = [ObjectSegment(id_, (0, 0, 1, 1), 1, (0, 0), 0.5, np.ones(4, np.float32), 1) for id_ in (first, second)]
    return image, Segmentation(labels, objects, 0, Region(8, 0, 48, 48))


def test_what_was_kept_reads_back_as_a_dataset(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "kept", every=0, model="monet_lds_table")
    pose = np.eye(4)
    pose[:3, 3] = 0.1, 0.2, 0.5
    places = Places(positions={700: np.array([0.0, 0.1, 0.4])})
    frames = [frame(3, 700), frame(4, 900)]
    for number, (image, segmentation) in enumerate(frames):
        assert keeper.keep(image, segmentation, 10.0 + number, places, LENS, pose)
    read = list(open_dataset(tmp_path / "kept"))
    for scene, (image, segmentation), stamp in zip(read, frames, (10.0, 11.0), strict=True):
        np.testing.assert_array_equal(scene.images, image[None])
        assert scene.stamps == [stamp] and scene.meta["model"] == "monet_lds_table"
        np.testing.assert_array_equal(scene.T_world_camera[0], pose)
        for i, described in enumerate(scene.objects):
            np.testing.assert_array_equal(scene.masks[0] == i + 1, segmentation.labels == described["track"])
    assert read[0].objects[1]["camera_position"] == [0.0, 0.1, 0.4]
    assert not check_dataset(open_dataset(tmp_path / "kept"), lambda done: None).problems


def test_two_nodes_do_not_keep_into_one_folder(tmp_path: Path) -> None:
    """Each would take the numbers of the other's images."""
    keeper = Keeper(tmp_path, every=0, model="monet_lds_table")
    with pytest.raises(DatasetError, match=f"^{tmp_path}: another node keeps its segmentations there"):
        Keeper(tmp_path, every=0, model="monet_lds_table")
    keeper.keep(*frame(1, 2), 10.0)
    del keeper
    Keeper(tmp_path, every=0, model="monet_lds_table").keep(*frame(3, 4), 11.0)
    assert [scene.stamps[0] for scene in open_dataset(tmp_path)] == [10.0, 11.0]


def test_a_model_is_trained_on_what_was_kept_as_the_page_tells(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "data/own", every=0, model="monet_lds_table")
    for number in range(3):
        keeper.keep(*frame(number + 1, number + 2), float(number))
    (words,) = [words for words in shown_commands(PAGE.read_text()) if words[:3] == ["lds", "train", "table_monet_lds"]]
    done = subprocess.run(
        [sys.executable, "-m", "lds_cli.main", *words[1:], "steps=1", "batch_size=2"],
        cwd=tmp_path, env={**os.environ, "LDS_CACHE": str(tmp_path / "cache")},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "runs/own/weights.safetensors").exists()


def test_images_are_kept_at_the_pace_that_was_asked_for(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, every=1.0, model="m")
    stamps = 5 + np.arange(31) / 10
    kept = [stamp for stamp in stamps if keeper.keep(*frame(1, 2), float(stamp))]
    assert kept == pytest.approx([5, 6, 7, 8])
    assert keeper.keep(*frame(1, 2), 1.0)  # a clock that was set back, as when a bag is played again


def test_a_later_run_goes_on_after_an_earlier_one(tmp_path: Path) -> None:
    for _ in range(2):
        Keeper(tmp_path, 0, "m").keep(*frame(1, 2), 1.0)
    assert sorted(path.name for path in tmp_path.glob("*.h5")) == ["scene_000000.h5", "scene_000001.h5"]


def test_numbers_go_on_from_the_highest_whatever_else_is_called_alike(tmp_path: Path) -> None:
    for name in ("scene_000004.h5", "scene_7_before_lunch.h5", "scene_old.h5"):
        (tmp_path / name).touch()
    Keeper(tmp_path, 0, "m").keep(*frame(1, 2), 1.0)
    assert (tmp_path / "scene_000005.h5").stat().st_size > 0


def test_a_finished_dataset_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text("{}")
    with pytest.raises(DatasetError, match="keep segmentations in another folder"):
        Keeper(tmp_path, 0, "m")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="cannot be made"):
        Keeper(tmp_path / "file/kept", 0, "m")
