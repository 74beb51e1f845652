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
from capture.calibration.calibration import IntrinsicsResult, Verdict
from capture.calibration.coverage import ADVICE, Coverage
from capture.calibration.poses import board_pose, project
from capture.cameras.camera import Intrinsics
from capture.errors import CalibrationError

FLAGS = cv2.CALIB_FIX_K3 | cv2.CALIB_ZERO_TANGENT_DIST
MIN_VIEWS = 8
ENOUGH_VIEWS = 15
FOLDS = 5
MAX_DROPPED = 0.2  # of all views
OUTLIER = 3.0  # times the median error of the views
OUTLIER_FLOOR = 0.5  # pixels; views that fit better are no outliers, whatever the median


@dataclass(frozen=True)
class _Fit:
    lens: Intrinsics
    rms: float
    view_rms: np.ndarray  # [N], pixels
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
    findings: list[tuple[str, str]] = []
    usable = [detection for detection in detections if detection.usable]
    if len(usable) < MIN_VIEWS:
        raise CalibrationError(
            f"{len(usable)} of {len(detections)} pictures show the board well enough, and a lens needs {MIN_VIEWS} at "
            f"the least, better {ENOUGH_VIEWS} and more: take further ones"
        )
    sizes = {(detection.width, detection.height) for detection in usable}
    if len(sizes) > 1:
        named = ", ".join(f"{width} x {height}" for width, height in sorted(sizes))
        raise CalibrationError(
            f"the pictures are of different sizes ({named}): take all with one setting of the camera"
        )
    kept, fit = _fit_without_outliers(usable, findings)
    held_out = _held_out_rms(kept)
    findings = [*_judge(kept, fit, held_out, board), *findings]
    return IntrinsicsResult(
        lens=fit.lens,
        camera=camera,
        made=made.replace(microsecond=0),
        rms=fit.rms,
        held_out_rms=held_out,
        focal_std=fit.focal_std,
        center_std=fit.center_std,
        views=len(kept),
        verdict=Verdict.of(findings),
    )


def _fit(detections: Sequence[Detection]) -> _Fit:
    size = detections[0].width, detections[0].height
    points = [detection.object_points.astype(np.float32) for detection in detections]
    corners = [detection.corners.astype(np.float32) for detection in detections]
    try:
        rms, K, distortion, _, _, deviations, _, view_rms = cv2.calibrateCameraExtended(
            points, corners, size, None, None, flags=FLAGS
        )
    except cv2.error as error:
        raise CalibrationError(
            f"no lens explains these pictures ({error.err or error}): take new ones, with the board tilted in several "
            "directions"
        ) from error
    deviations = deviations.ravel()
    lens = Intrinsics(K, distortion.ravel()[:5], *size)
    return _Fit(lens, float(rms), view_rms.ravel(), float(max(deviations[:2])), float(max(deviations[2:4])))


def _fit_without_outliers(
    detections: Sequence[Detection], findings: list[tuple[str, str]]
) -> tuple[list[Detection], _Fit]:
    """Fit, leave out the view that fits least, fit again, until all fit or too many would be gone."""
    kept = list(detections)
    while True:
        fit = _fit(kept)
        worst = int(fit.view_rms.argmax())
        limit = max(OUTLIER_FLOOR, OUTLIER * float(np.median(fit.view_rms)))
        dropped = len(detections) - len(kept)
        if fit.view_rms[worst] <= limit or dropped + 1 > MAX_DROPPED * len(detections) or len(kept) <= MIN_VIEWS:
            break
        del kept[worst]
    if dropped:
        findings.append(("good", f"{dropped} of {len(detections)} views were left out for not fitting the others"))
    if fit.view_rms[worst] > limit:
        findings.append(("bad", "more views do not fit the others: the board is bent, or moved while it was taken"))
    return kept, fit


def _held_out_rms(detections: Sequence[Detection]) -> float:
    """Reprojection error in views that the lens was not fitted to, each by the board's best pose; pixels."""
    squares = []
    folds = min(FOLDS, len(detections))
    for fold in range(folds):
        lens = _fit([detection for i, detection in enumerate(detections) if i % folds != fold]).lens
        for detection in detections[fold::folds]:
            off = project(board_pose(detection, lens), detection.object_points, lens) - detection.corners
            squares.append((off**2).sum(1))
    return float(np.sqrt(np.concatenate(squares).mean()))


def _judge(detections: Sequence[Detection], fit: _Fit, held_out: float, board: Board) -> list[tuple[str, str]]:
    findings: list[tuple[str, str]] = []

    def check(measured: float, usable: float, bad: float, reason: str) -> None:
        if measured > usable:
            findings.append(("bad" if measured > bad else "usable", reason))

    scale = detections[0].width / 640  # errors in pixels grow with the resolution
    focal = fit.lens.K[0, 0]
    check(
        held_out / scale, 0.5, 1.5,
        f"corners of views that were held out are off by {held_out:.2f} px: glue the board on something flat, keep it "
        "still, light it well, and take sharp pictures",
    )  # fmt: skip
    check(
        fit.focal_std / focal, 0.002, 0.01,
        f"the focal length is known to {100 * fit.focal_std / focal:.1f} % only: {ADVICE['tilt']}, and take more views",
    )  # fmt: skip
    check(
        fit.center_std / scale, 2.0, 8.0,
        f"the principal point is known to {fit.center_std:.1f} px only: {ADVICE['tilt']}, and roll the camera",
    )  # fmt: skip
    coverage = Coverage(board)
    for detection in detections:
        coverage.add(detection)
    area, tilt = coverage.progress["area"], coverage.progress["tilt"]
    # Of a board that is never tilted, focal length and distance cannot be told apart; the fit and its deviations then
    # look fine, and the focal length may be three times too large.
    check(
        1 - tilt, 0.3, 0.6,
        f"the board was tilted by too little ({100 * tilt:.0f} % of what is wanted), so the focal length cannot be "
        f"told: {ADVICE['tilt']}",
    )  # fmt: skip
    check(
        1 - area, 0.2, 0.6, f"corners were seen in {100 * area:.0f} % of the area they should be in: {ADVICE['area']}"
    )
    if len(detections) < ENOUGH_VIEWS:
        findings.append(("usable", f"{len(detections)} views are few: take {ENOUGH_VIEWS} or more"))
    return findings
