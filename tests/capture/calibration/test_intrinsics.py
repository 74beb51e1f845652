"""Lens calibration against a known lens, and what it makes of views that cannot tell it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from board_views import LENS, camera_poses, detection, picture, transform

from capture.calibration.board import BOARD, Detection
from capture.calibration.calibration import IntrinsicsResult
from capture.calibration.coverage import Coverage, measure_view
from capture.calibration.fitting import MIN_VIEWS
from capture.calibration.intrinsics import calibrate_intrinsics
from capture.errors import CalibrationError


def varied(seed: int, count: int = 20, pixels: float = 0.1) -> list[Detection]:
    """Views with the board tilted and all over the picture."""
    rng = np.random.default_rng(seed)
    poses = camera_poses(rng, 2 * count, tilt=45)
    aside = [transform([rng.uniform(-0.25, 0.25), rng.uniform(-0.35, 0.35), 0], np.zeros(3)) for _ in poses]
    seen = [detection(np.linalg.inv(pose @ turn), rng, pixels) for pose, turn in zip(poses, aside, strict=True)]
    return [view for view in seen if view.usable][:count]


def calibrate(views: list[Detection]) -> IntrinsicsResult:
    return calibrate_intrinsics(views, "CAM1", datetime(2026, 3, 1, tzinfo=UTC))


def said(result: IntrinsicsResult) -> str:
    return f"{result.verdict.grade}: {'; '.join(result.verdict.reasons)}"


@pytest.mark.parametrize("seed", range(3))
def test_lens_is_found_within_its_stated_error(seed: int) -> None:
    result = calibrate(varied(seed))
    found, truth = result.lens.K, LENS.K
    focal, center = np.diag(found - truth)[:2], (found - truth)[:2, 2]
    assert np.abs(focal).max() < 4 * result.focal_std < 6
    assert np.abs(center).max() < 4 * result.center_std < 4
    assert result.lens.distortion[:2] == pytest.approx(LENS.distortion[:2], abs=0.03)
    assert not result.lens.distortion[2:].any()
    assert result.verdict.grade == "good", said(result)


def test_held_out_error_is_that_of_the_corners() -> None:
    result = calibrate(varied(5, pixels=0.2))
    assert result.held_out_rms == pytest.approx(0.2 * np.sqrt(2), rel=0.15)
    assert result.rms < result.held_out_rms


def test_rendered_pictures_give_the_lens_that_made_them() -> None:
    rng = np.random.default_rng(0)
    poses = camera_poses(rng, 12, tilt=45)
    result = calibrate([BOARD.detect(picture(np.linalg.inv(pose), rng)) for pose in poses])
    assert np.diag(result.lens.K)[:2] == pytest.approx(np.diag(LENS.K)[:2], rel=0.005)
    assert result.rms < 0.15


@pytest.mark.parametrize("count", range(MIN_VIEWS + 2))
def test_no_number_of_views_crashes_it(count: int) -> None:
    views = varied(1)[:count]
    if count < MIN_VIEWS:
        with pytest.raises(CalibrationError, match=f"{count} of {count} views .* needs {MIN_VIEWS}"):
            calibrate(views)
    else:
        assert "views are few" in said(calibrate(views))


def test_views_without_any_tilt_are_not_called_good() -> None:
    rng = np.random.default_rng(0)
    flat = [detection(np.linalg.inv(pose), rng) for pose in camera_poses(rng, 20, tilt=0.5, roll=30)]
    result = calibrate(flat)
    assert result.verdict.grade == "bad"
    assert "the focal length cannot be told: tilt the board" in said(result)


def test_one_smeared_view_is_left_out() -> None:
    views = varied(2)
    rng = np.random.default_rng(0)
    views[4] = replace(views[4], corners=views[4].corners + rng.normal(0, 4, views[4].corners.shape))
    result = calibrate(views)
    assert result.views == 19
    assert "1 of 20 views were left out" in said(result)
    assert result.verdict.grade == "good"


def test_shaky_corners_everywhere_are_called_bad() -> None:
    assert calibrate(varied(3, pixels=2.0)).verdict.grade == "bad"


def test_views_of_two_sizes_are_refused() -> None:
    views = varied(0)
    views[3] = replace(views[3], width=1280, height=960)
    with pytest.raises(CalibrationError, match="of different sizes .640 x 480, 1280 x 960."):
        calibrate(views)


def test_tilt_of_a_view_is_measured_whole_or_in_part() -> None:
    rng = np.random.default_rng(0)
    middle = np.array([BOARD.width / 2, BOARD.height / 2, 0])

    def seen(tilt: float) -> Detection:
        turn = transform(np.zeros(3), middle) @ transform([0, np.deg2rad(tilt), 0], np.zeros(3))
        return detection(np.linalg.inv(turn @ transform(np.zeros(3), [0, 0, -0.45])), rng, pixels=0)

    tilts = [measure_view(seen(tilt), BOARD).tilt for tilt in (0, 15, 30, 45)]
    assert tilts[0] < 0.05 and tilts == sorted(tilts)
    whole = seen(30)
    half = Detection(whole.ids[:12], whole.corners[:12], whole.object_points[:12], whole.width, whole.height)
    assert measure_view(half, BOARD).size == pytest.approx(measure_view(whole, BOARD).size, rel=0.05)


def test_coverage_grows_with_new_views_and_asks_for_what_is_missing() -> None:
    coverage = Coverage(BOARD)
    rng = np.random.default_rng(0)
    still = detection(np.linalg.inv(camera_poses(rng, 1, tilt=1, roll=1)[0]), rng)
    assert coverage.is_new(still)
    coverage.add(still)
    assert not coverage.is_new(still)
    assert coverage.advice
    for view in varied(0, count=60):
        coverage.add(view)
    assert coverage.advice == "" and set(coverage.progress.values()) == {1.0}
