"""No arm is driven: an operator moves what carries the camera, and tf tells where it is."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from capture.arms.arm import Arm, Interrupted
from capture.arms.tf_pose import TfPose
from capture.errors import MotionError, PoseError
from capture.motion.robot_profile import RobotProfile
from capture.motion.trajectory import Trajectory
from datasets.camera import motion_between

CONNECTING = 10.0  # s
POLL = 0.02  # s
STILL_TIME = 0.3  # s that it must last to count as rest
STILL_DISTANCE = 0.001  # m
STILL_ANGLE = np.deg2rad(0.3)


class FreehandArm(Arm):
    """The operator's hand. The process must be a node already."""

    def __init__(self, profile: RobotProfile) -> None:
        self.name = profile.name
        self._profile = profile

    def __enter__(self) -> FreehandArm:
        self._pose = TfPose(self._profile.base_frame, self._profile.tool_frame)
        try:
            self._pose.wait(CONNECTING)
        except BaseException:
            self._pose.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._pose.close()

    def joints(self) -> None:
        return None

    def follow(self, trajectory: Trajectory, interrupted: Callable[[], bool]) -> None:
        raise MotionError("the operator moves the camera here: no motion can be commanded")

    def stop(self) -> None:
        pass

    def still_since(self, timeout: float, interrupted: Callable[[], bool]) -> float:
        deadline = time.monotonic() + timeout
        since, rest = self._newest()
        moved = ""
        while not interrupted():
            stamp, pose = self._newest()
            if motion := _moved(rest, pose):
                moved, since, rest = motion, stamp, pose
            elif stamp - since >= STILL_TIME:
                return since
            if time.monotonic() > deadline:
                raise MotionError(f"the camera did not rest within {timeout:.1f} s: {moved or 'tf has stopped'}")
            time.sleep(POLL)
        raise Interrupted

    def T_base_tool(self, stamp: float) -> np.ndarray:
        return self._pose.at(stamp)

    def _newest(self) -> tuple[float, np.ndarray]:
        try:
            stamp = self._pose.newest()
            return stamp, self._pose.at(stamp)
        except PoseError as error:
            raise MotionError(str(error)) from error


def _moved(before: np.ndarray, after: np.ndarray) -> str:
    """How far a pose [4,4] moved, in words; empty where it rests."""
    distance, angle = motion_between(before, after)
    if distance < STILL_DISTANCE and angle < STILL_ANGLE:
        return ""
    return f"it moved by {distance * 1000:.1f} mm and {np.rad2deg(angle):.1f} degrees"
