"""How the camera gets to the next view: the arm is driven there, or the operator brings it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np

from capture.arms.arm import Arm, Interrupted
from capture.errors import MotionError, PoseError
from capture.motion.planning import Planner
from datasets.camera import motion_between


def drive_to(goal: np.ndarray, arm: Arm, planner: Planner, interrupted: Callable[[], bool]) -> None:
    """Drive to joint angles [J], over a path that is checked from where the arm is now.

    Raises:
        MotionError: there is no way, or the arm did not get there.
        Interrupted: `interrupted()` became true.
    """
    arm.follow(planner.plan(arm.positions(), goal), interrupted)


class Approach(ABC):
    """Brings the camera from view to view."""

    @abstractmethod
    def approach(self, view: int, note: Callable[..., None], interrupted: Callable[[], bool]) -> None:
        """Get the camera to where view number `view` is to be taken.

        Args:
            note: told of what is worth a line in the journal: an event's name, and facts.

        Raises:
            MotionError: it cannot get there; says why.
            Interrupted: `interrupted()` became true. The arm stands still.
        """


class DrivenApproach(Approach):
    """The arm drives to joint angles that were planned or taught, over a path that is checked from where it is now."""

    def __init__(self, arm: Arm, planner: Planner, goals: Sequence[np.ndarray]) -> None:
        self._arm, self._planner, self._goals = arm, planner, goals

    def approach(self, view: int, note: Callable[..., None], interrupted: Callable[[], bool]) -> None:
        try:
            self._drive(view, interrupted)
        except MotionError as error:
            note("moved_again", reason=str(error))
            self._drive(view, interrupted)

    def _drive(self, view: int, interrupted: Callable[[], bool]) -> None:
        drive_to(self._goals[view], self._arm, self._planner, interrupted)


class FreehandApproach(Approach):
    """The operator moves the camera. The next view is where it rests, once it is far enough from all views so far.

    Args:
        camera_pose: T_world_camera [4,4] at a time; raises PoseError.
        taken: tells the poses [4,4] of the views so far.
        distance, angle: metres or radians that a view must be away from every other.
    """

    def __init__(
        self, arm: Arm, camera_pose: Callable[[float], np.ndarray], taken: Callable[[], Sequence[np.ndarray]],
        distance: float, angle: float,
    ) -> None:  # fmt: skip
        self._arm, self._camera_pose, self._taken = arm, camera_pose, taken
        self._distance, self._angle = distance, angle

    def approach(self, view: int, note: Callable[..., None], interrupted: Callable[[], bool]) -> None:
        while not interrupted():
            try:
                if self._is_new(self._camera_pose(self._arm.still_since(1.0, interrupted))):
                    return
            except (MotionError, PoseError):
                continue  # it moves, which is what an operator's hand does
        raise Interrupted

    def _is_new(self, pose: np.ndarray) -> bool:
        moves = [motion_between(pose, other) for other in self._taken()]
        return all(distance > self._distance or angle > self._angle for distance, angle in moves)
