"""Depth of scenes on a white table, whose poses pictures alone tell nothing of."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from datasets.camera import rigid
from datasets.check import check_dataset
from datasets.loading import open_dataset
from datasets.recorded import write_scene
from datasets.synthesis.table_cubes import TableRenderer, make_scene

VIEWS = 12


@pytest.fixture(scope="module")
def scene():
    """Cubes on a white table as a camera with depth records them: nobody knows masks and objects."""
    with TableRenderer(160) as renderer:
        rendered = make_scene(renderer, seed=3, index=0, views=VIEWS)
    return dataclasses.replace(rendered, masks=None, objects=[])


def check(tmp_path, scene):
    write_scene(tmp_path / "set" / "scene_000000.h5", scene)
    return check_dataset(open_dataset(tmp_path / "set"))


def moved_on_mount(scene, place=(0, 0, 0), degrees=(0, 0, 0)):
    """As recorded with a T_tool_camera that is off by so much."""
    error = rigid(Rotation.from_rotvec(degrees, degrees=True).as_matrix(), place)
    return dataclasses.replace(scene, T_world_camera=scene.T_world_camera @ error)


def with_depth(scene, depth):
    return dataclasses.replace(scene, depth=depth.astype(np.float32))


def test_views_of_a_sound_scene_show_one_table(tmp_path, scene):
    findings = check(tmp_path, scene)
    assert findings.problems == [] and findings.verdict.startswith("sound: all 1 scenes")
    assert len(findings.table_errors) == VIEWS and max(findings.table_errors) < 0.001


def test_noise_and_holes_of_a_depth_camera_raise_no_alarm(tmp_path, scene):
    rng = np.random.default_rng(0)
    noisy = scene.depth * (1 + rng.normal(0, 0.004, scene.depth.shape))
    holes = rng.random(scene.depth.shape) < 0.6
    assert check(tmp_path, with_depth(scene, np.where(holes, 0, noisy))).problems == []


@pytest.mark.parametrize("axis", range(3))
def test_a_camera_that_sits_2_cm_elsewhere_on_its_mount_is_found_and_measured(tmp_path, scene, axis):
    (problem,) = check(tmp_path, moved_on_mount(scene, 0.02 * np.eye(3)[axis])).problems
    assert problem.startswith("scene_000000: depth shows tables up to") and "hand-eye calibration or poses" in problem
    assert "with the camera moved by 2.0 cm on its mount they would agree" in problem


@pytest.mark.parametrize("axis", range(3))
def test_a_camera_that_is_turned_on_its_mount_is_found(tmp_path, scene, axis):
    (problem,) = check(tmp_path, moved_on_mount(scene, degrees=2.0 * np.eye(3)[axis])).problems
    assert "depth shows tables up to" in problem


def test_one_view_from_elsewhere_is_named(tmp_path, scene):
    poses = scene.T_world_camera.copy()
    poses[5, 2, 3] += 0.02
    (problem,) = check(tmp_path, dataclasses.replace(scene, T_world_camera=poses)).problems
    assert "depth shows tables up to 2.0 cm and 0.0 deg apart (views 5)" in problem


def test_noise_of_single_poses_raises_no_alarm(tmp_path, scene):
    rng = np.random.default_rng(0)
    noisy = [rigid(np.eye(3), rng.normal(0, 0.002, 3)) @ pose for pose in scene.T_world_camera]
    assert check(tmp_path, dataclasses.replace(scene, T_world_camera=np.stack(noisy))).problems == []


def test_a_view_that_shows_more_of_the_floor_is_asked_for_the_table(tmp_path, scene):
    """In view 4, two thirds of the picture show a floor 70 cm below the table."""
    depth = scene.depth.copy()
    above = scene.T_world_camera[4, 2, 3]
    depth[4, :, :107] *= (above + 0.7) / above
    assert check(tmp_path, with_depth(scene, depth)).problems == []


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_poses_at_absurd_places_are_a_problem_and_no_crash(tmp_path, scene):
    poses = scene.T_world_camera.copy()
    poses[::2, :2, 3], poses[1::2, :2, 3] = 1e308, -1e308
    assert "depth shows tables" in check(tmp_path, dataclasses.replace(scene, T_world_camera=poses)).problems[0]


def test_depth_that_is_not_there_is_found(tmp_path, scene):
    (problem,) = check(tmp_path, with_depth(scene, 0 * scene.depth)).problems
    assert problem.startswith(
        "scene_000000: depth is known of 0% of the picture only in views 0, 1, 2, 3, 4 and 7 more"
    )


def test_a_view_with_little_depth_is_found(tmp_path, scene):
    depth = scene.depth.copy()
    depth[7, 20:] = 0
    (problem,) = check(tmp_path, with_depth(scene, depth)).problems
    assert "of 12% of the picture only in views 7; 20% are due" in problem


def test_depth_in_another_unit_is_found(tmp_path, scene):
    for factor in (1000, 0.001):
        (problem,) = check(tmp_path, with_depth(scene, factor * scene.depth)).problems
        assert "m (median): it is told in another unit" in problem


def test_depth_of_another_scale_is_found(tmp_path, scene):
    (problem,) = check(tmp_path, with_depth(scene, 1.25 * scene.depth)).problems
    assert "depth is of another scale or not aligned" in problem


def test_depth_that_is_not_aligned_to_the_picture_is_found(tmp_path, scene):
    """As of a depth camera whose lens is wider than the colour camera's."""
    K = scene.K * np.array([1.3, 1.3, 1])[:, None]
    K[:, :2, 2] = scene.K[:, :2, 2]
    (problem,) = check(tmp_path, dataclasses.replace(scene, K=K)).problems
    assert "depth shows tables up to" in problem


def test_depth_without_a_plane_proves_no_poses(tmp_path, scene):
    ragged = with_depth(scene, np.random.default_rng(0).uniform(0.3, 0.7, scene.depth.shape))
    findings = check(tmp_path, ragged)
    assert findings.problems == [] and findings.table_errors == []
    assert findings.verdict.startswith("sound, but the poses of 1 of 1 scenes are unproven: scene_000000")


def test_depth_without_poses_is_judged_by_itself(tmp_path, scene):
    unknown = dataclasses.replace(scene, T_world_camera=None)
    findings = check(tmp_path, unknown)
    assert findings.verdict.startswith("sound: all") and findings.table_errors == []
    assert "another unit" in check(tmp_path, with_depth(unknown, 1000 * scene.depth)).problems[0]
