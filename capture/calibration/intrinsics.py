"""A camera's lens from views of the board: focal length, principal point and radial distortion k1, k2.

Only two terms of distortion are fitted: of a wrist camera's lens more terms fit the noise of the views.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import cv2
import numpy as np

from capture.calibration.board import BOARD, Board, Detection
from capture.calibration.calibration import IntrinsicsResult
from capture.calibration.coverage import ADVICE, Coverage
from capture.calibration.fitting import Fit, few_views, fit_without_outliers, require_views
from capture.calibration.poses import board_residuals
from capture.calibration.verdict import Finding, Verdict, exceeding
from capture.cameras.camera import Intrinsics
from capture.errors import CalibrationError

FLAGS = cv2.CALIB_FIX_K3 | cv2.CALIB_ZERO_TANGENT_DIST
FOLDS = 5
OUTLIER = 3.0  # times the median error of the views
OUTLIER_FLOOR = 0.5  # pixels; views that fit better are no outliers, whatever the median


@dataclass(frozen=True)
class _Lens:
    """What one fit gives; see IntrinsicsResult."""

    intrinsics: Intrinsics
    rms: float
    focal_std: float
    center_std: float


def calibrate_intrinsics(
    detections: Sequence[Detection], camera: str, made: datetime, board: Board = BOARD
) -> IntrinsicsResult:
    """The lens that explains all views best, how well it is known, and a verdict.

    Args:
        camera: its serial number, for the record.

    Raises:
        CalibrationError: no answer can be had from these views; says what to do.
    """
    usable = [detection for detection in detections if detection.usable]
    require_views(len(usable), len(detections), "a lens")
    sizes = {(detection.width, detection.height) for detection in usable}
    if len(sizes) > 1:
        named = ", ".join(f"{width} x {height}" for width, height in sorted(sizes))
        raise CalibrationError(
            f"the pictures are of different sizes ({named}): take all with one setting of the camera"
        )
    fitted = fit_without_outliers(len(usable), lambda kept: _fit([usable[i] for i in kept]), OUTLIER, [OUTLIER_FLOOR])
    lens = fitted.answer
    kept = [usable[i] for i in fitted.kept]
    held_out = _held_out_rms(kept)
    return IntrinsicsResult(
        lens=lens.intrinsics,
        camera=camera,
        made=made.replace(microsecond=0),
        rms=lens.rms,
        held_out_rms=held_out,
        focal_std=lens.focal_std,
        center_std=lens.center_std,
        views=len(kept),
        verdict=Verdict.of([*_judge(kept, lens, held_out, board), *_outlier_findings(fitted)]),
    )


def _fit(detections: Sequence[Detection]) -> tuple[_Lens, np.ndarray]:
    """A lens, and the root mean square error of each view, float64 [N,1], pixels."""
    size = detections[0].width, detections[0].height
    points = [detection.object_points.astype(np.float32) for detection in detections]
    corners = [detection.corners.astype(np.float32) for detection in detections]
    try:
        rms, K, distortion, _, _, deviations, _, view_rms = cv2.calibrateCameraExtended(
            points, corners, size, np.eye(3), np.zeros(5), flags=FLAGS
        )
    except cv2.error as error:
        raise CalibrationError(
            f"no lens explains these pictures ({error.err or error}): take new ones, with the board tilted in several "
            "directions"
        ) from error
    deviations = deviations.ravel()
    lens = Intrinsics(K, distortion.ravel()[:5], *size)
    return _Lens(lens, float(rms), float(max(deviations[:2])), float(max(deviations[2:4]))), view_rms.reshape(-1, 1)


def _outlier_findings(fitted: Fit[_Lens]) -> list[Finding]:
    findings: list[Finding] = []
    if dropped := len(fitted.dropped):
        views = dropped + len(fitted.kept)
        findings.append(Finding("good", f"{dropped} of {views} views were left out for not fitting the others"))
    if fitted.more:
        findings.append(
            Finding("bad", "more views do not fit the others: the board is bent, or moved while it was taken")
        )
    return findings


def _held_out_rms(detections: Sequence[Detection]) -> float:
    """Reprojection error in views that the lens was not fitted to, each by the board's best pose; pixels."""
    squares = []
    for fold in range(FOLDS):
        lens, _ = _fit([detection for i, detection in enumerate(detections) if i % FOLDS != fold])
        squares += [(board_residuals(d, lens.intrinsics) ** 2).sum(1) for d in detections[fold::FOLDS]]
    return float(np.sqrt(np.concatenate(squares).mean()))


def _judge(detections: Sequence[Detection], lens: _Lens, held_out: float, board: Board) -> list[Finding]:
    scale = detections[0].width / 640  # errors in pixels grow with the resolution
    focal = lens.focal_std / lens.intrinsics.K[0, 0]
    progress = _coverage(detections, board)
    return [
        *exceeding(
            held_out / scale, 0.5, 1.5,
            f"corners of views that were held out are off by {held_out:.2f} px: glue the board on something flat, keep "
            "it still, light it well, and take sharp pictures",
        ),
        *exceeding(
            focal, 0.002, 0.01,
            f"the focal length is known to {100 * focal:.1f} % only: {ADVICE['tilt']}, and take more views",
        ),
        *exceeding(
            lens.center_std / scale, 2.0, 8.0,
            f"the principal point is known to {lens.center_std:.1f} px only: {ADVICE['tilt']}, and roll the camera",
        ),
        # Of a board that is never tilted, focal length and distance cannot be told apart; the fit and its deviations
        # then look fine, and the focal length may be three times too large.
        *exceeding(
            1 - progress["tilt"], 0.3, 0.6,
            f"the board was tilted by too little ({100 * progress['tilt']:.0f} % of what is wanted), so the focal "
            f"length cannot be told: {ADVICE['tilt']}",
        ),
        *exceeding(
            1 - progress["area"], 0.2, 0.6,
            f"corners were seen in {100 * progress['area']:.0f} % of the area they should be in: {ADVICE['area']}",
        ),
        *few_views(len(detections)),
    ]  # fmt: skip


def _coverage(detections: Sequence[Detection], board: Board) -> dict[str, float]:
    coverage = Coverage(board)
    for detection in detections:
        coverage.add(detection)
    return coverage.progress
