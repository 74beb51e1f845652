"""The robot of a session: arm, camera, calibration and planner, opened together, and refused where they do not fit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from capture.arms.arm import Arm
from capture.calibration.calibration import Calibration, problems
from capture.calibration.named_calibration import find_calibration
from capture.cameras.camera import Camera, Intrinsics
from capture.cameras.opening import open_camera
from capture.cameras.settings import load_camera
from capture.errors import CalibrationError
from capture.motion.planning import Planner
from capture.motion.robot_profile import RobotProfile, load_robot_profile
from capture.motion.viewpoints import FreehandPattern, Pattern
from capture.quality import QualityCheck
from capture.recording.facts import rig_facts
from capture.recording.view_taking import ViewTaker
from capture.storage.space import view_bytes

FIRST_FRAME = 5.0  # seconds that the camera may take to give one


@dataclass(frozen=True)
class RigSettings:
    """Which robot.

    Attributes:
        robot, camera: names from config/robots and config/cameras, or YAML files.
        calibration: a file of `lds capture calibrate`, or `simulated`; empty: none.
        accept_calibration: record although the calibration is missing, bad or stale.
    """

    robot: str
    camera: str
    calibration: str
    accept_calibration: bool


@dataclass(frozen=True)
class Planners:
    """Of a driven arm: `motion` of the motion at hand; `views` for a thread that plans the next scene meanwhile."""

    motion: Planner
    views: Planner


@dataclass(frozen=True)
class Rig:
    """All that a session needs of the robot.

    Attributes:
        planners: None where no arm is driven (freehand).
        T_tool_camera: float64 [4,4], the camera on the arm's mount.
        bytes_per_view: how much room a stored view takes.
        calibration: how old and how good it is, in words.
        facts: flat facts that are stored with every scene.
    """

    arm: Arm
    camera: Camera
    taker: ViewTaker
    planners: Planners | None
    T_tool_camera: np.ndarray
    bytes_per_view: int
    calibration: str
    facts: dict[str, Any]


@contextmanager
def open_rig(settings: RigSettings, pattern: Pattern) -> Iterator[Rig]:
    """Connect to arm and camera, and let go of them at the end.

    Raises:
        CaptureError: something is missing, does not answer, or is not to be trusted; says what, and what to do.
    """
    profile = load_robot_profile(settings.robot)
    calibration = find_calibration(settings.calibration) if settings.calibration else Calibration()
    with ExitStack() as stack:
        camera_settings = load_camera(settings.camera)
        camera = stack.enter_context(open_camera(camera_settings))
        frame = camera.frame_after(0.0, FIRST_FRAME)
        height, width = frame.image.shape[:2]
        lens = _lens(calibration, camera)
        notes = _objections(settings, profile, calibration, camera, (width, height))
        planners = None if isinstance(pattern, FreehandPattern) else _planners(profile)
        arm = stack.enter_context(_arm(profile, planners))
        T_tool_camera = np.eye(4) if calibration.hand_eye is None else calibration.hand_eye.T_tool_camera
        taker = ViewTaker(arm, camera, lens, profile.T_world_base, T_tool_camera, QualityCheck(camera_settings.quality))
        if planners is not None:
            taker.look(lambda: False)
        room = view_bytes(height, width, frame.depth is not None, frame.truth is not None)
        facts = rig_facts(profile, calibration, camera, T_tool_camera, notes)
        if planners is not None:
            facts["joint_names"] = list(planners.motion.joint_names)
        yield Rig(arm, camera, taker, planners, T_tool_camera, room, _in_words(calibration), facts)


def _lens(calibration: Calibration, camera: Camera) -> Intrinsics:
    """What was calibrated, else what the camera tells."""
    lens = calibration.lens(camera.intrinsics)
    if lens is None:
        raise CalibrationError(
            f"the {camera.kind} camera tells no intrinsics, and none are calibrated: "
            "run `lds capture calibrate intrinsics`"
        )
    return lens


def _objections(
    settings: RigSettings, profile: RobotProfile, calibration: Calibration, camera: Camera, size: tuple[int, int]
) -> list[str]:
    """What speaks against the calibration. Raises CalibrationError for it, unless it is to be accepted."""
    told = calibration.intrinsics is None
    found = problems(calibration, profile.name, camera.serial, size, time.time(), told)
    if found and not settings.accept_calibration:
        raise CalibrationError(
            f"the calibration {settings.calibration or '(none was given)'} is not fit: {'; '.join(found)}. "
            "To record all the same, say --accept-calibration"
        )
    return found


def _planners(profile: RobotProfile) -> Planners:
    from capture.arms.robot_urdf import robot_planner

    return Planners(robot_planner(profile), robot_planner(profile))


def _arm(profile: RobotProfile, planners: Planners | None) -> Arm:
    if planners is None:
        from capture.arms.freehand import FreehandArm

        return FreehandArm(profile)
    from capture.arms.follow_joint_trajectory import FollowJointTrajectoryArm

    return FollowJointTrajectoryArm(profile, planners.motion.joint_names)


def _in_words(calibration: Calibration) -> str:
    if (hand_eye := calibration.hand_eye) is None:
        return "without a hand-eye calibration"
    return (
        f"hand-eye calibration of {hand_eye.made:%Y-%m-%d}, {calibration.age_days(time.time()):.0f} days old, "
        f"{hand_eye.verdict.grade}: corners {hand_eye.rms:.2f} px off, "
        f"standard error {hand_eye.leave_one_out_mm:.2f} mm"
    )
