"""Hand-eye calibration against known truth, and what it makes of views that cannot tell it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from board_views import LENS, T_BASE_BOARD, T_TOOL_CAMERA, camera_poses, error, hand_eye_views, transform
from scipy.spatial.transform import Rotation

from capture.calibration.calibration import HandEye
from capture.calibration.fitting import MIN_VIEWS
from capture.calibration.hand_eye import View, calibrate_hand_eye
from capture.calibration.poses import board_pose
from capture.calibration.refinement import refine
from capture.calibration.rotation_spread import rotation_spread
from capture.calibration.solvers import solve_all
from capture.cameras.camera import Intrinsics
from capture.errors import CalibrationError

MADE = datetime(2026, 3, 1, 12, tzinfo=UTC)


def calibrate(views: list[View], lens: Intrinsics = LENS) -> HandEye:
    return calibrate_hand_eye(views, lens, "simulated", "CAM1", MADE)


def said(result: HandEye) -> str:
    return f"{result.verdict.grade}: {'; '.join(result.verdict.reasons)}"


def test_truth_is_found_within_a_tenth_of_a_degree_and_a_millimetre_under_realistic_noise() -> None:
    results = [calibrate(hand_eye_views(seed)) for seed in range(4)]
    errors = np.array([error(result.T_tool_camera, T_TOOL_CAMERA) for result in results])
    assert (np.sqrt((errors**2).mean(0)) < [0.1, 1.0]).all(), errors
    assert [result.verdict.grade for result in results] == ["good"] * 4, [said(result) for result in results]


def test_stated_standard_error_is_of_the_size_of_the_true_error() -> None:
    results = [calibrate(hand_eye_views(seed)) for seed in range(10, 16)]
    errors = np.array([error(result.T_tool_camera, T_TOOL_CAMERA) for result in results])
    stated = np.array([(result.leave_one_out_deg, result.leave_one_out_mm) for result in results])
    ratio = np.sqrt((errors**2).mean(0) / (stated**2).mean(0))
    assert (ratio > 0.4).all() and (ratio < 2.5).all(), ratio


def test_exact_views_give_the_exact_pose() -> None:
    poses = camera_poses(np.random.default_rng(0), 12)
    views = hand_eye_views(0, degrees=0, millimetres=0, poses=poses)
    exact = [replace(view, detection=_exact(view, poses[i])) for i, view in enumerate(views)]
    angle, distance = error(calibrate(exact).T_tool_camera, T_TOOL_CAMERA)
    assert angle < 1e-4 and distance < 1e-3


def _exact(view: View, T_board_camera: np.ndarray):
    from board_views import detection

    return detection(np.linalg.inv(T_board_camera), np.random.default_rng(0), pixels=0)


def test_answer_does_not_depend_on_the_order_of_the_views() -> None:
    views = hand_eye_views(3)
    shuffled = [views[i] for i in np.random.default_rng(1).permutation(len(views))]
    angle, distance = error(calibrate(shuffled).T_tool_camera, calibrate(views).T_tool_camera)
    assert angle < 1e-4 and distance < 1e-3


def test_every_solver_agrees_with_the_truth() -> None:
    views = hand_eye_views(5, degrees=0.01, millimetres=0.05)
    boards = np.array([board_pose(view.detection, LENS) for view in views])
    solutions = solve_all(np.array([view.T_base_tool for view in views]), boards)
    assert set(solutions) == {"Tsai", "Park", "Daniilidis", "Shah"}
    for solution in solutions.values():
        angle, distance = error(solution, T_TOOL_CAMERA)
        assert angle < 0.15 and distance < 1.5


def test_leaving_a_view_out_moves_the_answer_as_foretold() -> None:
    views = hand_eye_views(7, count=10)

    def fit(chosen: list[View]):
        poses = np.array([view.T_base_tool for view in chosen])
        return refine(poses, [view.detection for view in chosen], LENS, T_TOOL_CAMERA, T_BASE_BOARD)

    everything, without = fit(views), fit(views[:4] + views[5:])
    step = np.linalg.inv(everything.T_tool_camera) @ without.T_tool_camera
    moved = np.concatenate([Rotation.from_matrix(step[:3, :3]).as_rotvec(), step[:3, 3]])
    assert moved == pytest.approx(everything.steps[4], rel=0.1, abs=3e-5)


@pytest.mark.parametrize("count", range(MIN_VIEWS + 3))
def test_no_number_of_views_crashes_it(count: int) -> None:
    views = hand_eye_views(1, count=20)[:count]
    if count < MIN_VIEWS:
        with pytest.raises(CalibrationError, match=rf"{count} of {count} views .* needs {MIN_VIEWS} at the least"):
            calibrate(views)
    else:
        result = calibrate(views)
        assert result.verdict.grade == "usable" and "views are few" in said(result)


@pytest.mark.parametrize("axis", [[0, 0, 1], [1, 0, 0], [0.5, 0.5, 0.7]], ids=["roll", "tilt", "skew"])
def test_rotations_about_one_axis_are_refused_with_the_reason(axis: list[float]) -> None:
    rng = np.random.default_rng(0)
    start = camera_poses(rng, 1, tilt=5, roll=5)[0]
    turns = [transform(np.array(axis) * angle, rng.normal(0, 0.02, 3)) for angle in np.linspace(-0.5, 0.5, 20)]
    with pytest.raises(CalibrationError, match="all rotations are about one axis .* tilt the camera"):
        calibrate(hand_eye_views(0, poses=[start @ turn for turn in turns]))


def test_pure_translation_is_refused_with_the_reason() -> None:
    start = camera_poses(np.random.default_rng(0), 1)[0]
    shifts = [transform(np.zeros(3), shift) for shift in np.random.default_rng(0).normal(0, 0.03, (20, 3))]
    with pytest.raises(CalibrationError, match="all rotations are about one axis or none"):
        calibrate(hand_eye_views(0, poses=[start @ shift for shift in shifts]))


def test_spread_of_rotations_is_that_of_turns_made_by_hand() -> None:
    turns = [transform(np.deg2rad([0, angle, 0]), np.zeros(3)) for angle in (0, 30)]
    assert rotation_spread(np.array(turns)) == pytest.approx([30, 0, 0], abs=1e-5)


def test_pairs_shifted_by_one_are_called_bad() -> None:
    views = hand_eye_views(2)
    shifted = [replace(view, T_base_tool=views[i - 1].T_base_tool) for i, view in enumerate(views)]
    result = calibrate(shifted)
    assert result.verdict.grade == "bad"
    assert "the poses are not those of the pictures" in said(result)


def test_one_view_with_another_pose_is_left_out_and_named() -> None:
    views = hand_eye_views(4)
    views[7] = replace(views[7], T_base_tool=views[12].T_base_tool)
    result = calibrate(views)
    assert result.views == len(views) - 1
    assert "left out for disagreeing with the others: view 7 (by" in said(result)
    angle, distance = error(result.T_tool_camera, T_TOOL_CAMERA)
    assert angle < 0.2 and distance < 2


@pytest.mark.parametrize(("scale", "words"), [(1.03, "% larger than"), (0.97, "% smaller than")])
def test_board_of_another_size_than_stated_is_told_from_the_arms_motion(scale: float, words: str) -> None:
    result = calibrate(hand_eye_views(6, scale=scale))
    assert result.verdict.grade == "bad"
    assert words in said(result) and "measure its squares" in said(result)


def test_board_that_moved_half_way_is_called_bad() -> None:
    views = hand_eye_views(8)
    shift = transform(np.zeros(3), np.array([0.03, 0, 0]))
    moved = [replace(view, T_base_tool=shift @ view.T_base_tool) for view in views[:10]] + views[10:]
    assert calibrate(moved).verdict.grade == "bad"


def test_pictures_of_another_size_than_the_lens_are_refused() -> None:
    with pytest.raises(CalibrationError, match="is not of 1280 x 720 pixels"):
        calibrate(hand_eye_views(0), replace(LENS, width=1280, height=720))
