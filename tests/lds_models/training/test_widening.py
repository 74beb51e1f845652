"""The curriculum over viewpoints: near ones first, all in the end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_batches import row_of
from tiny_runs import packed_squares_file

from datasets.packing import PackedDataset, read_packed
from lds_models.registry import ConfigError, build_model
from lds_models.training.batches import SceneBatches, make_batches
from lds_models.training.widening import Widening

STEPS = 100


def circle(scenes: int, views: int) -> tuple[np.ndarray, np.ndarray]:
    """Viewpoints of scenes that are all seen from the same places, evenly around a circle."""
    turns = np.tile(2 * np.pi * np.arange(views) / views, scenes)
    return np.stack([np.cos(turns), np.sin(turns)], axis=1), np.arange(scenes + 1) * views


def ranges(scenes: int, views: int) -> tuple[np.ndarray, np.ndarray]:
    """Viewpoints on a line; those of scene s are within a range proportional to s + 1, around 0."""
    shares = np.arange(1, scenes + 1) / scenes
    of_scenes = shares[:, None] * np.random.default_rng(0).uniform(-1, 1, (scenes, views))
    return of_scenes.reshape(-1, 1), np.arange(scenes + 1) * views


def test_scenes_of_near_views_come_first_and_all_in_the_end() -> None:
    viewpoints, first_view = ranges(scenes=200, views=8)
    widening = Widening(viewpoints, first_view, views=3, steps=STEPS)
    counts = [len(widening.scenes(step)) for step in range(STEPS + 10)]
    assert 8 <= counts[0] <= 12 and counts == sorted(counts) and counts[STEPS] == counts[-1] == 200
    assert set(widening.scenes(0)) < set(widening.scenes(STEPS // 2)) < set(widening.scenes(STEPS))
    assert widening.scenes(0).mean() < 30  # scene numbers grow with their ranges


def test_the_radius_grows_by_a_constant_factor() -> None:
    widening = Widening(*ranges(200, 8), views=3, steps=STEPS)
    radii = np.array([widening.radius(step) for step in range(STEPS + 1)])
    np.testing.assert_allclose(np.diff(np.log(radii)), np.log(radii[-1] / radii[0]) / STEPS)


def test_views_in_use_lie_within_the_radius_and_are_enough() -> None:
    viewpoints, first_view = ranges(50, 8)
    widening = Widening(viewpoints, first_view, views=3, steps=STEPS)
    for step in (0, 30, 70, STEPS):
        for scene in widening.scenes(step):
            rows = np.arange(*first_view[scene : scene + 2])
            used = widening.views(step, rows)
            assert len(used) >= 3
            centre = min(np.abs(viewpoints[used] - other).max() for other in viewpoints)
            assert centre <= widening.radius(step) + 1e-9
    assert len(widening.views(STEPS, np.arange(400))) == 400


def test_on_a_circle_the_arc_of_cameras_widens() -> None:
    viewpoints, first_view = circle(scenes=20, views=10)
    widening = Widening(viewpoints, first_view, views=3, steps=STEPS)
    arcs = [len(widening.views(step, np.arange(10))) for step in (0, 50, 90, STEPS)]
    assert arcs[0] == 3 and arcs[-1] == 10 and arcs == sorted(arcs) and len(set(arcs)) > 2
    assert len(widening.scenes(0)) == 20


def near_squares(folder: Path) -> PackedDataset:
    """12 scenes of 6 views, the first with the nearest ones."""
    packed = read_packed(packed_squares_file(folder / "squares.h5", views=(6,)))
    viewpoints, _ = ranges(12, 6)
    return replace(packed, viewpoints={"pose": viewpoints.astype(np.float32).repeat(9, axis=1)})


def test_batches_show_what_is_in_use_at_their_step_alone(tmp_path: Path) -> None:
    data = near_squares(tmp_path)
    widening = Widening(data.viewpoints["pose"], data.first_view, 3, STEPS)
    batches = SceneBatches(data, "pose", 3, batch_size=12, seed=1, widening=STEPS)
    for step in (0, 60, STEPS):
        rows = row_of(data, batches(step))
        assert set(rows[:, 0] // 6) == set(widening.scenes(step))
        assert all(len(set(scene)) == 3 and len(widening.views(step, scene)) == 3 for scene in rows)
    again = SceneBatches(data, "pose", 3, batch_size=12, seed=1, widening=STEPS)
    np.testing.assert_array_equal(row_of(data, again(60)), row_of(data, batches(60)))


def test_processes_share_what_is_in_use(tmp_path: Path) -> None:
    data = near_squares(tmp_path)
    whole, *parts = (
        row_of(data, SceneBatches(data, "pose", 3, 12, 1, shard, widening=STEPS)(40))
        for shard in ((0, 1), (0, 2), (1, 2))
    )
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_without_a_number_of_views_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="set data.views"):
        SceneBatches(near_squares(tmp_path), "pose", None, batch_size=4, seed=0, widening=STEPS)


def test_models_of_single_images_refuse_it(tmp_path: Path) -> None:
    model = build_model({"name": "monet", "image_size": 16})
    with pytest.raises(ConfigError, match="data.widening is 100, and this model sees single images"):
        make_batches(model, near_squares(tmp_path), None, 4, 0, (0, 1), STEPS)
