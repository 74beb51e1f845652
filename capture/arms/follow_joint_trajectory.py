"""Any arm whose driver has a FollowJointTrajectory action."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from contextlib import suppress

import actionlib
import numpy as np
import rospy
from actionlib_msgs.msg import GoalStatus
from control_msgs.msg import FollowJointTrajectoryAction, FollowJointTrajectoryGoal, FollowJointTrajectoryResult
from trajectory_msgs.msg import JointTrajectoryPoint

from capture.arms.arm import Arm, Interrupted, JointState
from capture.arms.joint_history import JointHistory
from capture.arms.tf_pose import TfPose
from capture.errors import MotionError
from capture.motion.robot_profile import RobotProfile
from capture.motion.trajectory import Trajectory

CONNECTING = 10.0  # s
POLL = 0.02  # s
OFF_START = 0.05  # rad that the arm may be away from where a trajectory begins
OFF_GOAL = 0.05  # rad, and from where it ends, once the driver says that it is there
STALL = 1.5  # s without progress
PROGRESS = 0.002  # rad that counts as such
STOPPING = 0.15  # s that the driver is given to confirm that a goal is cancelled

_CODES = {
    FollowJointTrajectoryResult.INVALID_GOAL: "invalid goal",
    FollowJointTrajectoryResult.INVALID_JOINTS: "other joints than the controller's: see the robot's profile",
    FollowJointTrajectoryResult.OLD_HEADER_TIMESTAMP: "its time was over: synchronise the clocks (chrony)",
    FollowJointTrajectoryResult.PATH_TOLERANCE_VIOLATED: "left the path: lower the profile's speed, look for contact",
    FollowJointTrajectoryResult.GOAL_TOLERANCE_VIOLATED: "missed the goal: lower the profile's speed, look for contact",
}


class FollowJointTrajectoryArm(Arm):
    """An arm as its driver shows it in ROS. The process must be a node already.

    Args:
        profile: the robot.
        joint_names: the order of all joint angles here.
    """

    def __init__(self, profile: RobotProfile, joint_names: tuple[str, ...]) -> None:
        self.name = profile.name
        self._profile, self._joint_names = profile, tuple(joint_names)
        self._goal: actionlib.ClientGoalHandle | None = None

    def __enter__(self) -> FollowJointTrajectoryArm:
        profile = self._profile
        self._history = JointHistory(profile.joint_states, self._joint_names)
        self._pose = TfPose(profile.base_frame, profile.tool_frame)
        self._client = actionlib.ActionClient(profile.trajectory_action, FollowJointTrajectoryAction)
        # On Ctrl-C, rospy closes all topics before those who use them learn of it: the arm would go on to its goal.
        stop = weakref.WeakMethod(self.stop)
        rospy.on_shutdown(lambda: stop() and stop()())
        try:
            self._history.newest(CONNECTING)
            self._pose.wait(CONNECTING)
            if not self._client.wait_for_server(rospy.Duration(CONNECTING)):
                raise MotionError(
                    f"no action {profile.trajectory_action}: is the arm's driver running, its trajectory controller "
                    "started, and trajectory_action right in the robot's profile?"
                )
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._close()

    def joints(self) -> JointState:
        return self._history.newest()

    def follow(self, trajectory: Trajectory, interrupted: Callable[[], bool]) -> None:
        self._check_start(trajectory)
        self._goal = self._client.send_goal(_message(trajectory))
        try:
            self._watch(trajectory, interrupted)
        finally:
            self.stop()
        self._check_end(trajectory)

    def stop(self) -> None:
        if self._goal is None or self._has_ended():
            return
        with suppress(rospy.ROSException):  # ROS has been shut down, and `stop` was called before
            self._goal.cancel()
        deadline = time.monotonic() + STOPPING
        while not self._has_ended() and time.monotonic() < deadline:
            time.sleep(0.005)

    def still_since(self, timeout: float, interrupted: Callable[[], bool]) -> float:
        deadline = time.monotonic() + timeout
        while True:
            since, why_not = self._history.rest()
            if since is not None:
                return since
            if interrupted():
                raise Interrupted
            if time.monotonic() > deadline:
                raise MotionError(f"the arm did not come to rest within {timeout:.1f} s: {why_not}")
            self._history.wait_for_news(POLL)

    def T_base_tool(self, stamp: float) -> np.ndarray:
        return self._pose.at(stamp)

    def _watch(self, trajectory: Trajectory, interrupted: Callable[[], bool]) -> None:
        """Returns when the driver says that the goal is reached. Raises MotionError, Interrupted."""
        begun = moved_at = time.monotonic()
        moved_from = self.joints().positions
        while not self._has_ended():
            if interrupted():
                raise Interrupted
            if rospy.is_shutdown():
                raise MotionError("ROS is shutting down")
            now, here = time.monotonic(), self.joints().positions
            if np.abs(here - moved_from).max() > PROGRESS:
                moved_at, moved_from = now, here
            elif now - moved_at > STALL:
                raise MotionError(self._stall(trajectory, here))
            if now - begun > 2 * trajectory.duration + 2 * STALL:
                raise MotionError(
                    f"the arm takes more than twice the planned {trajectory.duration:.1f} s; it was stopped"
                )
            time.sleep(POLL)
        if self._goal.get_goal_status() != GoalStatus.SUCCEEDED:
            raise MotionError(self._failure())

    def _has_ended(self) -> bool:
        """Whether the goal's result has come."""
        return self._goal.get_comm_state() == actionlib.CommState.DONE

    def _stall(self, trajectory: Trajectory, here: np.ndarray) -> str:
        if self._goal.get_comm_state() in (actionlib.CommState.WAITING_FOR_GOAL_ACK, actionlib.CommState.PENDING):
            return (
                f"{self._profile.trajectory_action} did not take up the motion within {STALL} s: see the arm's driver"
            )
        joint, off = self._largest(here - trajectory.positions[-1])
        return (
            f"the arm stalled: no joint has moved for {STALL} s, and {joint} is {off:.3f} rad from its goal; look for "
            "contact, a protective stop, or a paused program on its pendant"
        )

    def _failure(self) -> str:
        state, text = self._goal.get_goal_status(), self._goal.get_goal_status_text()
        result = self._goal.get_result()
        reasons = [_CODES.get(result.error_code, ""), result.error_string] if result else []
        why = "; ".join(dict.fromkeys(part for part in (*reasons, text) if part)) or "it does not say why"
        if state in (GoalStatus.REJECTED, GoalStatus.RECALLED):
            return f"the arm's driver refused the motion: {why}"
        if state == GoalStatus.PREEMPTED:
            return f"the motion was cancelled by someone else ({why}): end what else drives the arm"
        if state == GoalStatus.LOST:
            return f"{self._profile.trajectory_action} is gone: see the arm's driver"
        return f"the arm's driver aborted the motion: {why}"

    def _check_start(self, trajectory: Trajectory) -> None:
        if trajectory.joint_names != self._joint_names:
            raise MotionError(f"a trajectory of {trajectory.joint_names} is not for {self._joint_names}")
        joint, off = self._largest(self.joints().positions - trajectory.positions[0])
        if abs(off) > OFF_START:
            raise MotionError(f"the arm is not where the motion begins: {joint} is off by {off:.3f} rad; did it move?")

    def _check_end(self, trajectory: Trajectory) -> None:
        deadline = time.monotonic() + 0.5  # the joint states may lag behind the driver's word
        while True:
            joint, off = self._largest(self.joints().positions - trajectory.positions[-1])
            if abs(off) <= OFF_GOAL:
                return
            if time.monotonic() > deadline:
                raise MotionError(f"the arm's driver says that it is there, and {joint} is off by {off:.3f} rad")
            self._history.wait_for_news(POLL)

    def _largest(self, off: np.ndarray) -> tuple[str, float]:
        joint = int(np.abs(off).argmax())
        return self._joint_names[joint], float(off[joint])

    def _close(self) -> None:
        self._history.close()
        self._pose.close()
        self._client.stop()


def _message(trajectory: Trajectory) -> FollowJointTrajectoryGoal:
    """The stamp stays zero: begin at once."""
    goal = FollowJointTrajectoryGoal()
    goal.trajectory.joint_names = list(trajectory.joint_names)
    goal.trajectory.points = [
        JointTrajectoryPoint(positions=list(q), velocities=list(v), time_from_start=rospy.Duration.from_sec(t))
        for t, q, v in zip(trajectory.times, trajectory.positions, trajectory.velocities, strict=True)
    ]
    return goal
