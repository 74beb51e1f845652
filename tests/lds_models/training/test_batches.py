"""What a training step is given: every image or scene once an epoch, the same for every number of processes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_runs import packed_squares_file

from datasets.packing import PackedDataset, read_packed
from datasets.scene import DatasetError
from lds_models.registry import ConfigError, build_model
from lds_models.training.batches import Batch, ImageBatches, SceneBatches, make_batches


def packed(folder: Path, **how) -> PackedDataset:
    return read_packed(packed_squares_file(folder / "squares.h5", **how))


def keys(images: torch.Tensor) -> list[bytes]:
    """What tells images [...,3,H,W] apart."""
    return [image.numpy().tobytes() for image in images.movedim(-3, -1).flatten(0, -4)]


def row_of(data: PackedDataset, batch: Batch) -> np.ndarray:
    """Which images of the dataset a batch shows, [B,V]."""
    rows = {image.tobytes(): row for row, image in enumerate(data.images)}
    return np.array([rows[key] for key in keys(batch.images)]).reshape(batch.images.shape[:2])


def test_every_image_comes_once_an_epoch(tmp_path: Path) -> None:
    data = packed(tmp_path, views=(2,))
    batches = ImageBatches(data, batch_size=9, seed=3)
    seen = [key for step in range(8) for key in keys(batches(step).images)]  # 72 images are three epochs of 24
    for epoch in range(3):
        assert sorted(seen[24 * epoch : 24 * epoch + 24]) == sorted(image.tobytes() for image in data.images)


def test_every_epoch_has_an_order_of_its_own_and_the_same_again_for_the_same_seed(tmp_path: Path) -> None:
    data = packed(tmp_path)
    seen = [
        [row_of(data, ImageBatches(data, 36, seed)(epoch))[:, 0].tolist() for epoch in range(4)] for seed in (3, 3, 5)
    ]
    assert seen[0] == seen[1]
    orders = {tuple(order) for order in seen[0] + seen[2]}
    assert len(orders) == 8, "epochs or seeds share an order"


def test_images_come_channels_last_without_viewpoints(tmp_path: Path) -> None:
    batch = ImageBatches(packed(tmp_path), batch_size=4, seed=0)(0)
    assert batch.images.shape == (4, 1, 3, 16, 16) and batch.images.dtype == torch.uint8 and batch.viewpoints is None
    assert batch.images[:, 0].is_contiguous(memory_format=torch.channels_last)


def test_every_scene_comes_once_an_epoch_with_all_its_views_in_order(tmp_path: Path) -> None:
    data = packed(tmp_path, views=(3,))
    batches = SceneBatches(data, "pose", None, batch_size=5, seed=3)
    rows = np.concatenate([row_of(data, batches(step)) for step in range(12)])  # 60 scenes are five epochs of 12
    np.testing.assert_array_equal(rows, rows[:, :1] + np.arange(3))
    for epoch in range(5):
        assert sorted(rows[12 * epoch : 12 * epoch + 12, 0]) == list(data.first_view[:-1])


def test_viewpoints_are_those_of_the_images(tmp_path: Path) -> None:
    data = packed(tmp_path, views=(5, 4))
    for kind in ("clevr", "pose"):
        batch = SceneBatches(data, kind, 3, batch_size=5, seed=3)(2)
        assert batch.viewpoints.dtype == torch.float32
        np.testing.assert_array_equal(batch.viewpoints.numpy(), data.viewpoints[kind][row_of(data, batch)])


def test_drawn_views_differ_from_epoch_to_epoch_and_belong_to_one_scene(tmp_path: Path) -> None:
    data = packed(tmp_path, count=4, views=(6, 4))
    batches = SceneBatches(data, "pose", 3, batch_size=4, seed=1)
    scene_of = np.repeat(np.arange(4), np.diff(data.first_view))
    choices = set()
    shown = Counter()
    for step in range(100):
        rows = row_of(data, batches(step))
        assert (scene_of[rows] == scene_of[rows[:, :1]]).all()
        assert all(len(set(scene)) == 3 for scene in rows)
        choices |= {tuple(sorted(scene)) for scene in rows if scene_of[scene[0]] == 0}
        shown.update(rows.flatten().tolist())
    assert len(choices) == 20  # of 6 views, 3: all of them
    first_scene = np.array([shown[row] for row in range(6)])
    assert first_scene.sum() == 300 and first_scene.min() > 30  # 50 each but for chance


@pytest.mark.parametrize("name", ["monet", "mulmon"])
def test_batches_depend_on_seed_and_step_alone(tmp_path: Path, name: str) -> None:
    data = packed(tmp_path, views=(5, 4))
    model = build_model({"name": name, "image_size": 16})
    views = 2 if name == "mulmon" else None

    def batches(seed: int):
        return make_batches(model, data, views, 4, seed, (0, 1))

    in_order = batches(3)
    all_of_them = [in_order(step).images for step in range(9)]
    torch.testing.assert_close(batches(3)(8).images, all_of_them[8])
    assert not torch.equal(batches(4)(8).images, all_of_them[8])


@pytest.mark.parametrize("name", ["monet", "mulmon"])
def test_parts_of_processes_make_up_the_batch(tmp_path: Path, name: str) -> None:
    data = packed(tmp_path, views=(5, 4))
    model = build_model({"name": name, "image_size": 16})
    views = 2 if name == "mulmon" else None
    for step in (0, 4, 5):  # 5 is across the end of an epoch
        whole = make_batches(model, data, views, 10, 3, (0, 1))(step)
        parts = [make_batches(model, data, views, 10, 3, (rank, 5))(step) for rank in range(5)]
        torch.testing.assert_close(torch.cat([part.images for part in parts]), whole.images)
        if name == "mulmon":
            torch.testing.assert_close(torch.cat([part.viewpoints for part in parts]), whole.viewpoints)


def test_dataset_without_poses_is_refused_for_a_multi_view_model(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="squares: a multi-view model needs camera poses.*split 'train'"):
        SceneBatches(packed(tmp_path, poses=False), "pose", None, batch_size=4, seed=0)


def test_unequal_scenes_ask_for_a_number_of_views(tmp_path: Path) -> None:
    data = packed(tmp_path, views=(5, 4))
    with pytest.raises(ConfigError, match="4 to 5 views; set data.views .* 4 at most"):
        SceneBatches(data, "pose", None, batch_size=4, seed=0)
    with pytest.raises(ConfigError, match="data.views is 5, and scene square_1 has only 4; set it to 4 or less"):
        SceneBatches(data, "pose", 5, batch_size=4, seed=0)


def test_number_of_views_is_refused_for_a_model_of_single_images(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="data.views is 2, and this model sees single images"):
        make_batches(build_model({"name": "monet", "image_size": 16}), packed(tmp_path), 2, 4, 0, (0, 1))
