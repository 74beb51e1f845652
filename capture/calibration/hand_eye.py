"""Hand-eye calibration, eye in hand: where the camera sits on the tool, from views of a board that stands still."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import compress

import numpy as np

from capture.calibration.agreement import Start, agreeing_views, disagreement
from capture.calibration.board import MIN_CORNERS, Detection
from capture.calibration.calibration import HandEye
from capture.calibration.fitting import Fit, few_views, require_views
from capture.calibration.poses import board_pose, board_residuals, difference
from capture.calibration.refinement import Refined, refine
from capture.calibration.rotation_spread import rotation_spread, spread_finding
from capture.calibration.verdict import Finding, Verdict, exceeding
from capture.cameras.camera import Intrinsics
from capture.errors import CalibrationError

MAX_BOARD_RMS = 2.0  # pixels of a view by itself, without the arm; above, the detection or the lens is wrong
DISAGREEMENT_BAD = (1.5, 8)  # degrees, millimetres; median over the views
SCALE_USABLE, SCALE_BAD = 0.005, 0.01  # of a square: how much larger or smaller the board may be than it is said to be


@dataclass(frozen=True)
class View:
    """One picture of the board and where the arm was when it was taken: a pair for good, never two lists.

    Attributes:
        name: what people know it by (a file, a number).
        T_base_tool: float64 [4,4], the tool frame in the arm's base frame at the picture's stamp, metres.
        detection: what the picture shows of the board.
    """

    name: str
    T_base_tool: np.ndarray
    detection: Detection


def calibrate_hand_eye(views: Sequence[View], lens: Intrinsics, robot: str, camera: str, made: datetime) -> HandEye:
    """Where the camera sits on the tool, how well that is known, and a verdict.

    Args:
        robot, camera: names of the robot profile and serial number of the camera, for the record.

    Raises:
        CalibrationError: no answer can be had from these views: too few, or all turned about one axis. Says what to do.
    """
    fitting, notes = _showing_the_board(views, lens)
    require_views(len(fitting), len(views), "hand-eye calibration")
    tools = np.array([view.T_base_tool for view in fitting])
    notes += _turning_findings(tools)
    boards = np.array([board_pose(view.detection, lens) for view in fitting])
    agreeing = agreeing_views(tools, boards)
    start, tools, boards = agreeing.answer, tools[agreeing.kept], boards[agreeing.kept]
    detections = [fitting[i].detection for i in agreeing.kept]
    refined = refine(tools, detections, lens, start.T_tool_camera, start.T_base_board)
    off = np.median(disagreement(tools, boards, refined.T_tool_camera, refined.T_base_board), axis=0)
    solvers = np.max([difference(T, refined.T_tool_camera) for T in start.solutions.values()], axis=0)
    standard_error = _standard_error(refined.steps)
    findings = [
        *_judge(len(tools), off, solvers, standard_error, refined),
        *notes,
        *_agreement_findings(fitting, agreeing),
    ]
    return HandEye(
        T_tool_camera=refined.T_tool_camera,
        robot=robot,
        camera=camera,
        made=made.replace(microsecond=0),
        rms=refined.rms,
        solver_deg=float(solvers[0]),
        solver_mm=float(solvers[1]),
        leave_one_out_deg=standard_error[0],
        leave_one_out_mm=standard_error[1],
        views=len(tools),
        verdict=Verdict.of(findings),
    )


def _turning_findings(tools: np.ndarray) -> list[Finding]:
    """Raises CalibrationError where the camera turned about one axis, or none."""
    finding = spread_finding(rotation_spread(tools))
    if finding is None:
        return []
    if finding.grade == "bad":
        raise CalibrationError(f"no hand-eye calibration from these {len(tools)} views: {finding.reason}")
    return [finding]


def _standard_error(steps: np.ndarray) -> tuple[float, float]:
    """Degrees and millimetres, from the steps [N,6] that leaving out one view makes (jackknife; Efron 1982)."""
    variance = (len(steps) - 1) / len(steps) * (steps**2).sum(0)
    return float(np.rad2deg(np.sqrt(variance[:3].sum()))), float(1000 * np.sqrt(variance[3:].sum()))


def _showing_the_board(views: Sequence[View], lens: Intrinsics) -> tuple[list[View], list[Finding]]:
    """The views that tell where the board is, and which were left out."""
    wrong_size = [v.name for v in views if (v.detection.width, v.detection.height) != (lens.width, lens.height)]
    if wrong_size:
        raise CalibrationError(
            f"view {wrong_size[0]} is not of {lens.width} x {lens.height} pixels, as the camera's intrinsics are: "
            "calibrate the intrinsics at the size of these pictures"
        )
    clear = [view for view in views if view.detection.usable]
    fits = [_board_rms(view, lens) <= MAX_BOARD_RMS for view in clear]
    notes = [
        *_note(
            f"left out for showing fewer than {MIN_CORNERS} corners", [v.name for v in views if not v.detection.usable]
        ),
        *_note(
            f"left out, for the board does not fit the picture to {MAX_BOARD_RMS:g} px (a bent print, wrong intrinsics "
            "or a moving camera)",
            [view.name for view, does_fit in zip(clear, fits, strict=True) if not does_fit],
        ),
    ]
    return list(compress(clear, fits)), notes


def _board_rms(view: View, lens: Intrinsics) -> float:
    return float(np.sqrt((board_residuals(view.detection, lens) ** 2).sum(1).mean()))


def _note(what: str, views: Sequence[str]) -> list[Finding]:
    return [Finding("good", f"{what}: view {', '.join(views)}")] if views else []


def _agreement_findings(views: Sequence[View], agreeing: Fit[Start]) -> list[Finding]:
    dropped = [f"{views[i].name} (by {angle:.1f} deg, {mm:.1f} mm)" for i, (angle, mm) in agreeing.dropped]
    findings = _note("left out for disagreeing with the others", dropped)
    if agreeing.more:
        findings.append(Finding(
            "bad",
            f"more than {len(dropped)} of {len(views)} views disagree with the others: the board or the camera's mount "
            "moved, or the poses are not those of the pictures; mend both and take the views anew",
        ))  # fmt: skip
    return findings


def _judge(
    views: int, off: np.ndarray, solvers: np.ndarray, standard_error: tuple[float, float], refined: Refined
) -> list[Finding]:
    """Findings on `off`, what arm and pictures disagree by, and other pairs of degrees and millimetres."""
    apart = exceeding(
        off, (0.5, 3), DISAGREEMENT_BAD,
        f"arm and pictures disagree by {_in_words(off)} a view: the poses are not those of the pictures (an arm not "
        "yet at rest, late stamps, pairs mixed up), or board or camera do not sit firmly, or the tool frame is "
        "another; mend it and take the views anew",
    )  # fmt: skip
    if any(finding.grade == "bad" for finding in apart):
        return apart  # all other numbers follow from that
    return [
        *apart,
        *exceeding(
            standard_error, (0.2, 1.5), (0.6, 5),
            f"the answer is known to {_in_words(standard_error)} only: take more views, more varied ones",
        ),
        *exceeding(
            solvers, (0.5, 4), (1.5, 15),
            f"the established solvers' answers differ by up to {_in_words(solvers)}: take more views, turned about "
            "more axes",
        ),
        *_scale_finding(refined),
        *few_views(views),
    ]  # fmt: skip


def _scale_finding(refined: Refined) -> list[Finding]:
    size = abs(refined.scale)
    if size <= max(SCALE_USABLE, 4 * refined.scale_sigma):
        return []
    return [Finding(
        "bad" if size > SCALE_BAD else "usable",
        f"the board seems to be {100 * size:.1f} % {'larger' if refined.scale > 0 else 'smaller'} than it is said to "
        "be: measure its squares and give their true size, or calibrate the intrinsics anew",
    )]  # fmt: skip


def _in_words(measured: Sequence[float] | np.ndarray) -> str:
    return f"{measured[0]:.2f} deg and {measured[1]:.1f} mm"
