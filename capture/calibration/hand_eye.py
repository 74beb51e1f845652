"""Hand-eye calibration, eye in hand: where the camera sits on the tool, from views of a board that stands still."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from capture.calibration.agreement import Agreeing, agreeing_views, disagreement
from capture.calibration.board import MIN_CORNERS, Detection
from capture.calibration.calibration import HandEye, Verdict
from capture.calibration.motion import motion_finding, rotation_spread
from capture.calibration.poses import board_pose, difference, project
from capture.calibration.refinement import Refined, refine
from capture.cameras.camera import Intrinsics
from capture.errors import CalibrationError

MIN_VIEWS = 8
ENOUGH_VIEWS = 15
MAX_BOARD_RMS = 2.0  # pixels of a view by itself, without the arm; above, the detection or the lens is wrong
DISAGREEMENT_BAD = (1.5, 8)  # degrees, millimetres; median over the views


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
    findings: list[tuple[str, str]] = []
    solvable = _solvable(views, lens, findings)
    _require_enough(len(solvable), len(views))
    tools = np.array([view.T_base_tool for view in solvable])
    finding = motion_finding(rotation_spread(tools))
    if finding is not None and finding[0] == "bad":
        raise CalibrationError(f"no hand-eye calibration from these {len(solvable)} views: {finding[1]}")
    findings += [finding] if finding is not None else []
    boards = np.array([board_pose(view.detection, lens) for view in solvable])
    agreeing = agreeing_views(tools, boards, MIN_VIEWS)
    findings += _agreement_findings(solvable, agreeing)
    tools, boards, start = tools[agreeing.kept], boards[agreeing.kept], agreeing.start
    detections = [solvable[i].detection for i in agreeing.kept]
    refined = refine(tools, detections, lens, start.T_tool_camera, start.T_base_board)
    off = np.median(disagreement(tools, boards, refined.T_tool_camera, refined.T_base_board), axis=0)
    solvers = np.max([difference(T, refined.T_tool_camera) for T in start.solutions.values()], axis=0)
    left_out = _standard_error(refined.steps)
    return HandEye(
        T_tool_camera=refined.T_tool_camera,
        robot=robot,
        camera=camera,
        made=made.replace(microsecond=0),
        rms=refined.rms,
        solver_deg=float(solvers[0]),
        solver_mm=float(solvers[1]),
        leave_one_out_deg=left_out[0],
        leave_one_out_mm=left_out[1],
        views=len(tools),
        verdict=Verdict.of([*_judge(len(tools), off, solvers, left_out, refined), *findings]),
    )


def _standard_error(steps: np.ndarray) -> tuple[float, float]:
    """Degrees and millimetres, from the steps [N,6] that leaving out one view makes (jackknife; Efron 1982)."""
    variance = (len(steps) - 1) / len(steps) * (steps**2).sum(0)
    return float(np.rad2deg(np.sqrt(variance[:3].sum()))), float(1000 * np.sqrt(variance[3:].sum()))


def _solvable(views: Sequence[View], lens: Intrinsics, findings: list[tuple[str, str]]) -> list[View]:
    """The views that show where the board is; notes say which were left out."""
    wrong_size = [v.name for v in views if (v.detection.width, v.detection.height) != (lens.width, lens.height)]
    if wrong_size:
        raise CalibrationError(
            f"view {wrong_size[0]} is not of {lens.width} x {lens.height} pixels, as the camera's intrinsics are: "
            "calibrate the intrinsics at the size of these pictures"
        )
    clear = [view for view in views if view.detection.usable]
    if left := [view.name for view in views if not view.detection.usable]:
        findings.append(("good", f"left out for showing fewer than {MIN_CORNERS} corners: view {', '.join(left)}"))
    flat = [view for view in clear if _board_rms(view, lens) <= MAX_BOARD_RMS]
    if left := [view.name for view in clear if view not in flat]:
        findings.append((
            "good",
            f"left out, for the board does not fit the picture to {MAX_BOARD_RMS:g} px (a bent print, wrong intrinsics "
            f"or a moving camera): view {', '.join(left)}",
        ))  # fmt: skip
    return flat


def _board_rms(view: View, lens: Intrinsics) -> float:
    points = view.detection.object_points
    off = project(board_pose(view.detection, lens), points, lens) - view.detection.corners
    return float(np.sqrt((off**2).sum(1).mean()))


def _require_enough(solvable: int, given: int) -> None:
    if solvable < MIN_VIEWS:
        raise CalibrationError(
            f"{solvable} of {given} views show the board well enough, and hand-eye calibration needs {MIN_VIEWS} at "
            f"the least, better {ENOUGH_VIEWS} and more: take further ones, with the whole board in sharp sight"
        )


def _agreement_findings(views: Sequence[View], agreeing: Agreeing) -> list[tuple[str, str]]:
    findings: list[tuple[str, str]] = []
    if agreeing.dropped:
        named = ", ".join(f"{views[i].name} (by {angle:.1f} deg, {mm:.1f} mm)" for i, angle, mm in agreeing.dropped)
        findings.append(("good", f"left out for disagreeing with the others: view {named}"))
    if agreeing.more:
        findings.append((
            "bad",
            f"more than {len(agreeing.dropped)} of {len(views)} views disagree with the others: the board or the "
            "camera's mount moved, or the poses are not those of the pictures; mend both and take the views anew",
        ))  # fmt: skip
    return findings


def _judge(
    count: int, disagreement: np.ndarray, solvers: np.ndarray, left_out: tuple[float, float], refined: Refined
) -> list[tuple[str, str]]:
    findings: list[tuple[str, str]] = []

    def check(measured: Sequence[float], usable: tuple[float, float], bad: tuple[float, float], what: str) -> None:
        grade = "bad" if _exceeds(measured, bad) else "usable" if _exceeds(measured, usable) else None
        if grade:
            findings.append((grade, what.format(f"{measured[0]:.2f} deg and {measured[1]:.1f} mm")))

    check(
        disagreement, (0.5, 3), DISAGREEMENT_BAD,
        "arm and pictures disagree by {} a view: the poses are not those of the pictures (an arm not yet at rest, late "
        "stamps, pairs mixed up), or board or camera do not sit firmly, or the tool frame is another; mend it and take "
        "the views anew",
    )  # fmt: skip
    if _exceeds(disagreement, DISAGREEMENT_BAD):
        return findings  # all other numbers follow from that
    check(left_out, (0.2, 1.5), (0.6, 5), "the answer is known to {} only: take more views, more varied ones")
    check(
        solvers, (0.5, 4), (1.5, 15),
        "the established solvers' answers differ by up to {}: take more views, turned about more axes",
    )  # fmt: skip
    if abs(refined.scale) > max(0.005, 4 * refined.scale_sigma):
        findings.append((
            "bad" if abs(refined.scale) > 0.01 else "usable",
            f"the board seems to be {100 * abs(refined.scale):.1f} % {'larger' if refined.scale > 0 else 'smaller'} "
            "than it is said to be: measure its squares and give their true size, or calibrate the intrinsics anew",
        ))  # fmt: skip
    if count < ENOUGH_VIEWS:
        findings.append(("usable", f"{count} views are few: take {ENOUGH_VIEWS} or more"))
    return findings


def _exceeds(measured: Sequence[float], limit: tuple[float, float]) -> bool:
    return measured[0] > limit[0] or measured[1] > limit[1]
