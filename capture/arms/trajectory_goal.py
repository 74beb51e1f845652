"""One motion as a FollowJointTrajectory action has it: what is sent, whether it goes on, why it failed."""

from __future__ import annotations

import time
from contextlib import suppress

import actionlib
import rospy
from actionlib import CommState
from actionlib_msgs.msg import GoalStatus
from control_msgs.msg import FollowJointTrajectoryGoal, FollowJointTrajectoryResult
from trajectory_msgs.msg import JointTrajectoryPoint

from capture.motion.trajectory import Trajectory

STOPPING = 0.15  # s that the driver is given to confirm that a goal is cancelled

_CODES = {
    FollowJointTrajectoryResult.INVALID_GOAL: "invalid goal",
    FollowJointTrajectoryResult.INVALID_JOINTS: "other joints than the controller's: see the robot's profile",
    FollowJointTrajectoryResult.OLD_HEADER_TIMESTAMP: "its time was over: synchronise the clocks (chrony)",
    FollowJointTrajectoryResult.PATH_TOLERANCE_VIOLATED: "left the path: lower the profile's speed, look for contact",
    FollowJointTrajectoryResult.GOAL_TOLERANCE_VIOLATED: "missed the goal: lower the profile's speed, look for contact",
}


class TrajectoryGoal:
    """A trajectory that is sent to the arm's driver.

    Args:
        client: of the action.
        action: its name, for messages.
    """

    def __init__(self, client: actionlib.ActionClient, action: str, trajectory: Trajectory) -> None:
        self._action = action
        self._handle = client.send_goal(_message(trajectory))

    @property
    def is_taken_up(self) -> bool:
        """Whether the driver has begun."""
        return self._handle.get_comm_state() not in (CommState.WAITING_FOR_GOAL_ACK, CommState.PENDING)

    @property
    def has_ended(self) -> bool:
        """Whether the goal's result has come."""
        return self._handle.get_comm_state() == CommState.DONE

    def cancel(self) -> None:
        """Have the driver stop, and wait a little until it has; no error where the motion has ended already."""
        if self.has_ended:
            return
        with suppress(rospy.ROSException):  # ROS has been shut down, and the goal was cancelled before
            self._handle.cancel()
        deadline = time.monotonic() + STOPPING
        while not self.has_ended and time.monotonic() < deadline:
            time.sleep(0.005)

    def failure(self) -> str | None:
        """Why a motion that has ended did not succeed, in words; None where it did."""
        state = self._handle.get_goal_status()
        if state == GoalStatus.SUCCEEDED:
            return None
        why = self._reason()
        if state in (GoalStatus.REJECTED, GoalStatus.RECALLED):
            return f"the arm's driver refused the motion: {why}"
        if state == GoalStatus.PREEMPTED:
            return f"the motion was cancelled by someone else ({why}): end what else drives the arm"
        if state == GoalStatus.LOST:
            return f"{self._action} is gone: see the arm's driver"
        return f"the arm's driver aborted the motion: {why}"

    def _reason(self) -> str:
        """What the driver says of the end, each thing once."""
        result = self._handle.get_result()
        said = [_CODES.get(result.error_code, ""), result.error_string] if result else []
        said.append(self._handle.get_goal_status_text())
        return "; ".join(dict.fromkeys(filter(None, said))) or "it does not say why"


def _message(trajectory: Trajectory) -> FollowJointTrajectoryGoal:
    """The stamp stays zero: begin at once."""
    goal = FollowJointTrajectoryGoal()
    goal.trajectory.joint_names = list(trajectory.joint_names)
    goal.trajectory.points = [
        JointTrajectoryPoint(positions=list(q), velocities=list(v), time_from_start=rospy.Duration.from_sec(t))
        for t, q, v in zip(trajectory.times, trajectory.positions, trajectory.velocities, strict=True)
    ]
    return goal
