"""Whether a hand-eye calibration still holds: it is made once more from a few new views, and compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capture.calibration.calibration import HandEye
from capture.calibration.poses import difference
from capture.calibration.verdict import Finding, Verdict, exceeding

MOVED_USABLE, MOVED_BAD = (0.3, 2.0), (0.8, 5.0)  # degrees, millimetres
SURE = 3.0  # standard errors; a smaller difference may be chance


@dataclass(frozen=True)
class Verification:
    """What new views say of an earlier calibration.

    Attributes:
        moved: degrees and millimetres from where that has the camera to where the views see it.
        known_to: standard error of both answers together, degrees and millimetres.
        verdict: good: it holds; usable: it is a little off, or the views tell too little; bad: it holds no more.
    """

    moved: tuple[float, float]
    known_to: tuple[float, float]
    verdict: Verdict


def verify_hand_eye(before: HandEye, now: HandEye) -> Verification:
    """Compare a calibration to one that was made from new views of the same camera on the same arm, with its lens."""
    moved = difference(before.T_tool_camera, now.T_tool_camera)
    known_to = (
        float(np.hypot(before.leave_one_out_deg, now.leave_one_out_deg)),
        float(np.hypot(before.leave_one_out_mm, now.leave_one_out_mm)),
    )
    return Verification(moved, known_to, Verdict.of(_judge(before, now, np.array(moved), np.array(known_to))))


def _judge(before: HandEye, now: HandEye, moved: np.ndarray, known_to: np.ndarray) -> list[Finding]:
    if now.verdict.grade == "bad":
        return [Finding("bad", reason) for reason in now.verdict.reasons]
    return [
        *exceeding(
            np.where(moved > SURE * known_to, moved, 0), MOVED_USABLE, MOVED_BAD,
            f"the camera is {moved[0]:.2f} deg and {moved[1]:.1f} mm from where it was on {before.made:%Y-%m-%d}: its "
            "mount moved, or the tool frame is another; fasten it, calibrate anew by `lds capture calibrate handeye`, "
            "and doubt the poses of what was recorded since",
        ),
        *exceeding(
            known_to, MOVED_USABLE, (np.inf, np.inf),
            f"these views tell it to {known_to[0]:.2f} deg and {known_to[1]:.1f} mm only: take more, more varied ones",
        ),
    ]  # fmt: skip
