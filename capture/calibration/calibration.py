"""What a calibration is, and whether it may be trusted."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from capture.calibration.verdict import Verdict
from capture.cameras.camera import Intrinsics
from capture.plain_data import to_plain

MAX_AGE = 30.0  # days; mounts loosen, and nobody remembers the knock
SECONDS_A_DAY = 86400.0

COMMAND = "lds capture calibrate"
_HAND_EYE = "hand-eye calibration"


@dataclass(frozen=True)
class IntrinsicsResult:
    """The lens of one camera at one image size, and how well it is known.

    Attributes:
        lens: what it is.
        camera: serial number of the camera.
        made: when, to the second, with its time zone.
        rms: root of the mean squared reprojection error of the corners, pixels.
        held_out_rms: the same for views that the fit did not see, pixels.
        focal_std, center_std: standard deviations of focal length and principal point, pixels, the larger of x and y.
        views: how many pictures it rests on.
    """

    lens: Intrinsics
    camera: str
    made: datetime
    rms: float
    held_out_rms: float
    focal_std: float
    center_std: float
    views: int
    verdict: Verdict

    @property
    def checked(self) -> datetime:
        """When it was last known to hold."""
        return self.made


@dataclass(frozen=True)
class HandEye:
    """Where a camera sits on an arm's tool frame, and how well that is known.

    Attributes:
        T_tool_camera: float64 [4,4], the camera's optical frame in the tool frame, metres.
        robot: name of the robot profile.
        camera: serial number of the camera.
        made: when, to the second, with its time zone.
        rms: reprojection error of the corners through arm and hand-eye, root mean square, pixels.
        solver_deg, solver_mm: the farthest that an established solver's answer lies from this one.
        leave_one_out_deg, leave_one_out_mm: standard error by leaving out each view in turn (jackknife).
        views: how many pictures it rests on.
        verified: when new views of the board last agreed with it; None where none were taken.
    """

    T_tool_camera: np.ndarray
    robot: str
    camera: str
    made: datetime
    rms: float
    solver_deg: float
    solver_mm: float
    leave_one_out_deg: float
    leave_one_out_mm: float
    views: int
    verdict: Verdict
    verified: datetime | None = None

    @property
    def checked(self) -> datetime:
        """When it was last known to hold."""
        return self.made if self.verified is None else max(self.made, self.verified)


@dataclass(frozen=True)
class Calibration:
    """All that recording must know of a camera on an arm.

    Attributes:
        intrinsics: None where the camera tells them itself, or where they are yet to be made.
        hand_eye: None where it is yet to be made, or where no arm carries the camera.
    """

    intrinsics: IntrinsicsResult | None = None
    hand_eye: HandEye | None = None

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that change with any content."""
        canonical = json.dumps(to_plain(self), sort_keys=True, default=lambda made: made.timestamp())
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def lens(self, told: Intrinsics | None) -> Intrinsics | None:
        """What was calibrated, else what the camera tells of itself; None where neither is known."""
        return told if self.intrinsics is None else self.intrinsics.lens

    def age_days(self, now: float) -> float:
        """Days since the older of its parts was made or verified; `now` is Unix time. 0 for an empty one."""
        checked = [part.checked.timestamp() for part in (self.intrinsics, self.hand_eye) if part is not None]
        return (now - min(checked)) / SECONDS_A_DAY if checked else 0.0


def problems(
    calibration: Calibration,
    robot: str | None,
    camera: str,
    size: tuple[int, int],
    now: float,
    camera_tells_intrinsics: bool = False,
) -> list[str]:
    """Why not to record with a calibration, each with what to do; empty where it is fit.

    Args:
        robot: name of the robot profile; None where no arm carries the camera, and no hand-eye is needed.
        camera: serial number of the camera that will record.
        size: (width, height) of its images, pixels.
        now: Unix time.
        camera_tells_intrinsics: it does (RealSense, camera_info), and the calibration needs to hold none.
    """
    found: list[str] = []
    if not camera_tells_intrinsics:
        found += _intrinsics_problems(calibration.intrinsics, camera, size, now)
    if robot is not None:
        found += _hand_eye_problems(calibration.hand_eye, robot, camera, now)
    if robot is not None and not camera_tells_intrinsics:
        found += _order_problems(calibration)
    return found


def hand_eye_faults(part: HandEye, robot: str) -> list[str]:
    """Why a hand-eye calibration cannot be of use to a robot, each with what to do: it is bad, or of another one."""
    run = f"run {COMMAND} handeye"
    return _grade_problems(_HAND_EYE, part, run) + _robot_problems(part, robot, run)


def hand_eye_doubts(calibration: Calibration, now: float) -> list[str]:
    """Why its hand-eye part may no longer hold, each with what to do: its age, or intrinsics that are newer.

    Args:
        now: Unix time.
    """
    if calibration.hand_eye is None:
        return []
    return _age_problems(_HAND_EYE, calibration.hand_eye, now, f"run {COMMAND} handeye") + _order_problems(calibration)


def _order_problems(calibration: Calibration) -> list[str]:
    intrinsics, hand_eye = calibration.intrinsics, calibration.hand_eye
    if intrinsics is None or hand_eye is None or intrinsics.made <= hand_eye.checked:
        return []
    return [f"the intrinsics were made anew after the hand-eye calibration: run {COMMAND} handeye again, or verify"]


def _intrinsics_problems(part: IntrinsicsResult | None, camera: str, size: tuple[int, int], now: float) -> list[str]:
    run = f"run {COMMAND} intrinsics"
    if part is None:
        return [f"there are no intrinsics, and the camera tells none: {run}"]
    found = _common_problems("intrinsics", part, camera, now, run)
    calibrated = part.lens.width, part.lens.height
    if calibrated != size:
        found.append(
            f"the intrinsics are of {calibrated[0]} x {calibrated[1]} pixels, and the camera's images have "
            f"{size[0]} x {size[1]}: set the camera to that size, or {run} at the new one"
        )
    return found


def _hand_eye_problems(part: HandEye | None, robot: str, camera: str, now: float) -> list[str]:
    run = f"run {COMMAND} handeye"
    if part is None:
        return [f"there is no hand-eye calibration, so where the camera looks is not known: {run}"]
    return _common_problems(_HAND_EYE, part, camera, now, run) + _robot_problems(part, robot, run)


def _robot_problems(part: HandEye, robot: str, run: str) -> list[str]:
    if part.robot == robot:
        return []
    return [f"the {_HAND_EYE} is of the robot '{part.robot}', and this is '{robot}': {run} on this one"]


def _common_problems(what: str, part: IntrinsicsResult | HandEye, camera: str, now: float, run: str) -> list[str]:
    found = _grade_problems(what, part, run)
    if part.camera != camera:
        found.append(
            f"the {what} is of the camera with serial '{part.camera}', and this one has '{camera}': "
            f"plug in the other camera, or {run} with this one"
        )
    return found + _age_problems(what, part, now, run)


def _grade_problems(what: str, part: IntrinsicsResult | HandEye, run: str) -> list[str]:
    if part.verdict.grade != "bad":
        return []
    why = "; ".join(part.verdict.reasons) or "no reason is given"
    return [f"the {what} is bad ({why}): {run} again"]


def _age_problems(what: str, part: IntrinsicsResult | HandEye, now: float, run: str) -> list[str]:
    age = (now - part.checked.timestamp()) / SECONDS_A_DAY
    date = f"{part.checked:%Y-%m-%d}"
    if age > MAX_AGE:
        verify = f", or see by {COMMAND} verify whether it holds" if isinstance(part, HandEye) else ""
        return [f"the {what} is {age:.0f} days old (of {date}), more than {MAX_AGE:.0f}: {run} again{verify}"]
    if age < -1:
        return [f"the {what} is dated {date}, in the future: set this computer's clock, or {run} again"]
    return []
