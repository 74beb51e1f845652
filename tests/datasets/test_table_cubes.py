"""The table_cubes synthesiser: what it renders, and that seeds, workers and interruptions behave."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from datasets.camera import look_at, motion_between, project
from datasets.check import check_dataset
from datasets.loading import open_dataset
from datasets.scene import DatasetError, Scene
from datasets.synthesis import SYNTHESISERS
from datasets.synthesis.synthesiser import Settings
from datasets.synthesis.table_cubes import TableRenderer, make_scene, near_poses


def synthesise(out: Path, scenes: int = 3, views: int = 3, seed: int = 5, workers: int = 1, size: int = 32) -> Path:
    SYNTHESISERS["table_cubes"].write(out, scenes, Settings(views, seed, size, "h5"), workers)
    return out


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    with TableRenderer(64) as renderer:
        return [make_scene(renderer, seed=3, index=index, views=6) for index in range(6)]


def test_scenes_hold_two_to_four_cubes_of_different_colours(scenes: list[Scene]) -> None:
    for scene in scenes:
        colours = [cube["color"] for cube in scene.objects]
        assert 2 <= len(colours) <= 4 and len(set(colours)) == len(colours)


def test_cubes_project_to_their_masks(scenes: list[Scene]) -> None:
    errors = []
    for scene in scenes:
        centres = np.array([cube["position"] for cube in scene.objects])
        for view in range(scene.num_views):
            pixels = project(centres, scene.T_world_camera[view], scene.K[view])
            for cube, pixel in enumerate(pixels):
                rows, columns = np.nonzero(scene.masks[view] == cube + 1)
                if len(rows) > 60:
                    errors.append(np.hypot(columns.mean() - pixel[0], rows.mean() - pixel[1]))
    assert len(errors) > 60 and np.median(errors) < 0.5 and max(errors) < 3


def test_depth_puts_the_table_where_it_is(scenes: list[Scene]) -> None:
    scene = scenes[0]
    rows, columns = np.nonzero(scene.masks[0] == 0)
    rays = np.stack([columns, rows, np.ones_like(rows)]) * 1.0
    camera = np.linalg.inv(scene.K[0]) @ rays * scene.depth[0][rows, columns]
    heights = (scene.T_world_camera[0][:3, :3] @ camera + scene.T_world_camera[0][:3, 3:])[2]
    assert np.abs(heights).max() < 2e-3  # metres


def test_cameras_are_rolled_any_way_and_viewpoints_tell_it(scenes: list[Scene]) -> None:
    ups = []
    for scene in scenes:
        position, forward, up = np.split(scene.viewpoints("pose"), 3, axis=1)
        poses = np.stack([np.cross(forward, up), -up, forward], axis=2)
        np.testing.assert_allclose(poses, scene.T_world_camera[:, :3, :3], atol=1e-6)
        where = scene.T_world_camera[:, :3, 3]
        np.testing.assert_allclose(position, where / np.linalg.norm(where, axis=1).mean(), atol=1e-6)
        ups.append(up[:, 2])
    assert np.quantile(np.concatenate(ups), [0.2, 0.8]) == pytest.approx([-0.5, 0.5], abs=0.25)


def test_cubes_show_their_colour_and_the_table_is_light(scenes: list[Scene]) -> None:
    for scene in scenes:
        assert scene.images[scene.masks == 0].mean() > 150
        for cube, description in enumerate(scene.objects):
            red, green, blue = scene.images[scene.masks == cube + 1].mean(0)
            if description["color"] == "red":
                assert red > max(green, blue)
            if description["color"] == "blue":
                assert blue > max(red, green)


def test_same_seed_gives_same_scenes_whatever_the_workers(tmp_path: Path) -> None:
    one, two = (open_dataset(synthesise(tmp_path / str(workers), workers=workers)) for workers in (1, 2))
    assert one.digest() != open_dataset(synthesise(tmp_path / "other", seed=6)).digest()
    for ours, theirs in zip(one, two, strict=True):
        np.testing.assert_array_equal(ours.images, theirs.images)
        np.testing.assert_array_equal(ours.masks, theirs.masks)


def test_interrupted_synthesis_goes_on(tmp_path: Path) -> None:
    out = synthesise(tmp_path / "table", scenes=2)
    (out / "dataset.json").unlink()
    (out / "scene_000001.h5").unlink()
    with pytest.raises(DatasetError, match="table: its synthesis was interrupted, or is at work, after 1 scenes"):
        open_dataset(out)
    kept = (out / "scene_000000.h5").stat().st_mtime_ns
    synthesise(out, scenes=3)
    assert (out / "scene_000000.h5").stat().st_mtime_ns == kept
    assert open_dataset(out).splits == {"train": 2, "test": 1}


def test_scenes_of_other_settings_are_not_mixed_in(tmp_path: Path) -> None:
    out = synthesise(tmp_path / "table", scenes=1)
    with pytest.raises(DatasetError, match="choose another folder"):
        synthesise(out, scenes=2, seed=6)


def test_synthesised_dataset_passes_the_check(tmp_path: Path) -> None:
    findings = check_dataset(open_dataset(synthesise(tmp_path / "table", size=64)), lambda done: None)
    assert findings.problems == []


def test_near_views_keep_within_a_share_of_all_that_differs_from_scene_to_scene() -> None:
    scenes = [near_poses(np.random.default_rng(seed), 12) for seed in range(200)]
    target, elevation = np.array([0, 0, 0.02]), np.deg2rad(52.5)
    middle = look_at(target + 0.5 * np.array([np.cos(elevation), 0, np.sin(elevation)]), target)
    turned = np.array([max(motion_between(middle, pose)[1] for pose in poses) for poses in scenes])
    assert np.quantile(turned, 0.1) < 0.6 and np.quantile(turned, 0.9) > 2.5  # radians, of pi at most
    reach = np.array([np.abs(np.linalg.norm(poses[:, :3, 3], axis=1) - 0.5).max() for poses in scenes])
    assert np.corrcoef(turned, reach)[0, 1] > 0.7  # all of a pose varies together


def test_a_dataset_of_near_views_is_not_mixed_with_another(tmp_path: Path) -> None:
    near, out = Settings(3, 5, 32, "h5", near_views=True), tmp_path / "near"
    SYNTHESISERS["table_cubes"].write(out, 2, near, workers=1)
    with TableRenderer(32) as renderer:
        made = make_scene(renderer, 5, 0, 3, near_views=True)
    np.testing.assert_allclose(open_dataset(out, "train")[0].T_world_camera, made.T_world_camera)
    (out / "dataset.json").unlink()
    with pytest.raises(DatasetError, match="near_views.*choose another folder"):
        synthesise(out)
