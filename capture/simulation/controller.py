"""The simulated arm's trajectory controller: the action that a real arm's driver has."""

from __future__ import annotations

import actionlib
import numpy as np
import rospy
from control_msgs.msg import (
    FollowJointTrajectoryAction,
    FollowJointTrajectoryFeedback,
    FollowJointTrajectoryGoal,
    FollowJointTrajectoryResult,
)
from std_msgs.msg import Header
from trajectory_msgs.msg import JointTrajectoryPoint

from capture.errors import MotionError
from capture.motion.trajectory import Trajectory
from capture.simulation.arm import Motion
from capture.simulation.rig import SimulatedRig
from lds_ros.action_servers import keep_telling


class TrajectoryController:
    """The action server of a rig's arm. Its lock guards the rig."""

    def __init__(self, rig: SimulatedRig) -> None:
        self._rig = rig
        self._goal: actionlib.ServerGoalHandle | None = None
        name = "arm_controller/follow_joint_trajectory"
        self._server = actionlib.ActionServer(name, FollowJointTrajectoryAction, self._accept, self._cancel, False)
        self.lock = self._server.lock

    def start(self) -> None:
        self._server.start()
        keep_telling(self._server)

    def update(self, now: rospy.Time) -> None:
        """Tell the client how it goes."""
        if self._goal is None:
            return
        if self._rig.arm.motion is Motion.MOVING:
            self._goal.publish_feedback(self._feedback(now))
        elif self._rig.aborted:
            why = "the arm does not follow its trajectory: stopped (simulated fault)"
            self._goal.set_aborted(_result(FollowJointTrajectoryResult.PATH_TOLERANCE_VIOLATED, why), why)
            self._goal = None
        else:
            self._goal.set_succeeded(_result(FollowJointTrajectoryResult.SUCCESSFUL))
            self._goal = None

    def _accept(self, handle: actionlib.ServerGoalHandle) -> None:
        with self.lock:
            try:
                self._rig.move(_trajectory(handle.get_goal()))
            except MotionError as error:
                handle.set_rejected(_result(FollowJointTrajectoryResult.INVALID_GOAL, str(error)), str(error))
                return
            if self._goal is not None:
                self._goal.set_canceled(None, "another trajectory came")
            self._goal = handle
            handle.set_accepted()

    def _cancel(self, handle: actionlib.ServerGoalHandle) -> None:
        with self.lock:
            if handle == self._goal:
                self._rig.arm.stop()
                self._goal.set_canceled(None, "stopped as asked")
                self._goal = None

    def _feedback(self, now: rospy.Time) -> FollowJointTrajectoryFeedback:
        arm = self._rig.arm
        return FollowJointTrajectoryFeedback(
            header=Header(stamp=now),
            joint_names=list(arm.limits.names),
            desired=JointTrajectoryPoint(positions=arm.command.tolist()),
            actual=JointTrajectoryPoint(positions=arm.positions.tolist(), velocities=arm.velocities.tolist()),
            error=JointTrajectoryPoint(positions=(arm.command - arm.positions).tolist()),
        )


def _result(code: int, message: str = "") -> FollowJointTrajectoryResult:
    return FollowJointTrajectoryResult(error_code=code, error_string=message)


def _trajectory(goal: FollowJointTrajectoryGoal) -> Trajectory:
    """The goal's trajectory; the arm stops at points without velocities. Raises MotionError where sizes do not fit."""
    points, joints = goal.trajectory.points, len(goal.trajectory.joint_names)
    positions = [point.positions for point in points]
    velocities = [point.velocities or (0.0,) * joints for point in points]
    if any(len(row) != joints for row in (*positions, *velocities)):
        raise MotionError("a point of the trajectory has not one position and velocity for each joint")
    times = np.array([point.time_from_start.to_sec() for point in points])
    return Trajectory(
        tuple(goal.trajectory.joint_names),
        times,
        np.reshape(positions, (len(points), joints)).astype(np.float64),
        np.reshape(velocities, (len(points), joints)).astype(np.float64),
    )
