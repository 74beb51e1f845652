from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from speckled import FOCAL, WIDTH, speckled_scene

from datasets.check import Findings, check_dataset
from datasets.checks.correspondences import Correspondences, find_correspondences
from datasets.loading import open_dataset
from datasets.recorded import write_scene
from datasets.scene import Scene


@pytest.fixture(scope="module")
def speckled() -> Scene:
    return speckled_scene()


def check(tmp_path: Path, *scenes: Scene) -> Findings:
    for scene in scenes:
        write_scene(tmp_path / "set" / f"{scene.name}.h5", scene)
    return check_dataset(open_dataset(tmp_path / "set"))


def moved(scene: Scene, place: tuple, degrees: tuple) -> Scene:
    """As recorded with a hand-eye calibration that is off by so much."""
    error = np.eye(4)
    error[:3, :3], error[:3, 3] = Rotation.from_rotvec(degrees, degrees=True).as_matrix(), place
    return dataclasses.replace(scene, T_world_camera=scene.T_world_camera @ error)


def test_poses_that_agree_with_the_pictures(tmp_path, speckled):
    findings = check(tmp_path, speckled)
    assert findings.problems == [] and findings.notes == [] and findings.verdict.startswith("sound: all 1 scenes")
    assert len(findings.epipolar_errors) == 1 and findings.epipolar_errors[0] < 1


def test_small_noise_of_poses_raises_no_alarm(tmp_path, speckled):
    rng = np.random.default_rng(0)
    noisy = [
        pose @ moved(speckled, rng.normal(0, 5e-4, 3), rng.normal(0, 0.05, 3)).T_world_camera[0]
        for pose in speckled.T_world_camera @ np.linalg.inv(speckled.T_world_camera[0])
    ]
    assert check(tmp_path, dataclasses.replace(speckled, T_world_camera=np.stack(noisy))).problems == []


def turned(scene: Scene, degrees: np.ndarray) -> Scene:
    """With cameras that are turned in their places by rotation vectors [V,3]."""
    poses = scene.T_world_camera.copy()
    poses[:, :3, :3] @= Rotation.from_rotvec(degrees, degrees=True).as_matrix()
    return dataclasses.replace(scene, T_world_camera=poses)


@pytest.mark.parametrize(("noise", "disagrees"), [(0.2, False), (0.5, True)])
def test_orientations_that_are_off_are_found_by_their_error_in_pixels(tmp_path, speckled, noise, disagrees):
    """Errors of both views move a point off its line by sqrt(2) times what one's do, and Sampson's distance is that by
    sqrt(2). The median of a normal distribution's absolute values is 0.67 times its standard deviation."""
    degrees = np.random.default_rng(0).normal(0, noise, (speckled.num_views, 3))
    findings = check(tmp_path, turned(speckled, degrees))
    expected = 0.67 * np.deg2rad(noise) * FOCAL * 640 / WIDTH
    assert findings.epipolar_errors[0] == pytest.approx(expected, rel=0.4)
    assert len(findings.problems) == disagrees
    for problem in findings.problems:
        assert problem.startswith("scene_000000: poses disagree with the pictures: matched points miss")
        assert f"by {findings.epipolar_errors[0]:.1f} px" in problem


@pytest.mark.parametrize(("degrees", "where"), [(2.0, []), (8.0, ["in views 4: "])])
def test_the_one_view_whose_pose_is_wrong_is_named(tmp_path, speckled, degrees, where):
    off = np.zeros((speckled.num_views, 3))
    off[4, 0] = degrees
    findings = check(tmp_path, turned(speckled, off))
    assert findings.epipolar_errors[0] < 1  # most matches are of other views
    told = [f"scene_000000: poses disagree with the pictures {words}" for words in where]
    assert [problem.split("matched")[0] for problem in findings.problems] == told


def test_poses_of_the_view_before(tmp_path, speckled):
    late = np.roll(speckled.T_world_camera, 1, axis=0)
    (problem,) = check(tmp_path, dataclasses.replace(speckled, T_world_camera=late)).problems
    assert "scene_000000: from view 0 on the poses are those of the view before" in problem


def test_poses_shifted_after_a_missed_view(tmp_path, speckled):
    poses = speckled.T_world_camera
    late = np.concatenate([poses[:6], poses[5:-1]])
    (problem,) = check(tmp_path, dataclasses.replace(speckled, T_world_camera=late)).problems
    assert "the poses are those of the view before" in problem and "from view 0" not in problem


@pytest.mark.parametrize(("place", "degrees"), [((0.025, 0, 0), (0, 0, 0)), ((0, 0, 0), (0, 2.0, 0))])
def test_hand_eye_calibration_that_is_off_is_found_and_measured(tmp_path, speckled, place, degrees):
    (problem,) = check(tmp_path, moved(speckled, place, degrees)).problems
    centimetres, turned = (float(problem.split(word)[1].split()[0]) for word in ("moved by ", "turned by "))
    assert "hand-eye calibration is off" in problem and "Calibrate again" in problem
    assert centimetres == pytest.approx(100 * max(place), abs=0.6) and turned == pytest.approx(max(degrees), abs=0.6)


def test_hand_eye_is_judged_over_scenes(tmp_path):
    scenes = [moved(speckled_scene(i, views=8, name=f"scene_{i:06d}"), (0, 0.02, 0), (0, 0, 0)) for i in range(2)]
    (problem,) = check(tmp_path, *scenes).problems
    assert problem.startswith("scene_000000 to scene_000001: hand-eye calibration is off")


def test_poses_at_random(tmp_path, speckled):
    order = np.random.default_rng(1).permutation(speckled.num_views)
    (problem,) = check(tmp_path, dataclasses.replace(speckled, T_world_camera=speckled.T_world_camera[order])).problems
    assert "poses disagree with the pictures" in problem


def test_white_table_is_told_as_what_could_not_be_judged(tmp_path, speckled):
    noise = np.random.default_rng(0).normal(230, 3, speckled.images.shape).clip(0, 255).astype(np.uint8)
    findings = check(tmp_path, dataclasses.replace(speckled, images=noise))
    assert findings.problems == [] and findings.epipolar_errors == []
    assert "could not be judged by the pictures in 1 of 1 scenes (scene_000000): too few features" in findings.notes[0]
    assert findings.verdict == (
        "sound, but the poses of 1 of 1 scenes are unproven: scene_000000; "
        "to have them proven, place patterned objects or record depth"
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda scene: {"T_world_camera": None},
        lambda scene: {name: getattr(scene, name)[:1] for name in ("images", "T_world_camera", "K", "stamps")},
    ],
)
def test_without_several_poses_none_are_unproven(tmp_path, speckled, change):
    plain = dataclasses.replace(speckled, images=np.full_like(speckled.images, 230))
    scene = dataclasses.replace(plain, **change(plain))
    scene.images[:, ::2] -= np.arange(scene.num_views, dtype=np.uint8)[:, None, None, None] + 9
    assert check(tmp_path, scene).verdict == "sound: all 1 scenes can be read and agree with themselves"


def test_what_is_fixed_to_the_camera_does_not_count(tmp_path, speckled):
    """A gripper's fingers, seen in every view at the same place."""
    images = speckled.images.copy()
    images[:, 200:, :180] = np.random.default_rng(3).integers(0, 255, (25, 45, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    findings = check(tmp_path, dataclasses.replace(speckled, images=images))
    assert findings.problems == []


def test_distance_to_epipolar_lines_is_that_of_opencv(speckled):
    matches = find_correspondences(speckled)
    first, second = matches.first[0], matches.second[0]
    pair = matches.where((matches.first == first) & (matches.second == second))
    relative = np.linalg.inv(speckled.T_world_camera[second]) @ speckled.T_world_camera[first]
    x, y, z = relative[:3, 3]
    E = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]) @ relative[:3, :3]
    expected = [pair.focal * cv2.sampsonDistance(p, q, E) ** 0.5 for p, q in zip(pair.p, pair.q, strict=True)]
    np.testing.assert_allclose(pair.errors(), expected, atol=1e-6)
    assert isinstance(pair, Correspondences) and len(pair) >= 12


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: {"stamps": s.stamps[[0, 2, 1, *range(3, s.num_views)]]}, "stamps do not rise at views 2"),
        (lambda s: {"stamps": s.stamps[[0, 1, 2, 2, *range(4, s.num_views)]]}, "stamps do not rise at views 3"),
        (
            lambda s: {"K": s.K * np.linspace(1, 1.1, s.num_views)[:, None, None]},
            "intrinsics differ from view 0's",
        ),
        (
            lambda s: {"T_world_camera": s.T_world_camera - 0.7 * np.outer(np.eye(4)[2], np.eye(4)[3])},
            "under the table",
        ),
    ],
)
def test_poses_intrinsics_and_stamps_that_cannot_be(tmp_path, speckled, change, words):
    (problem,) = check(tmp_path, dataclasses.replace(speckled, **change(speckled))).problems
    assert words in problem


def test_a_pose_that_comes_twice_is_a_note(tmp_path, speckled):
    poses = speckled.T_world_camera.copy()
    poses[4] = poses[3]
    poses[4, 0, 3] += 1e-4
    findings = check(tmp_path, dataclasses.replace(speckled, T_world_camera=poses, images=speckled.images[:, :, :150]))
    assert any("views 3 and 4 have the same pose" in note for note in findings.notes)
