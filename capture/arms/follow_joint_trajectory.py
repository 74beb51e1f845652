"""Any arm whose driver has a FollowJointTrajectory action."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable

import actionlib
import numpy as np
import rospy
from control_msgs.msg import FollowJointTrajectoryAction

from capture.arms.arm import Arm, Interrupted, JointState
from capture.arms.joint_history import JointHistory
from capture.arms.tf_pose import TfPose
from capture.arms.trajectory_goal import TrajectoryGoal
from capture.errors import MotionError
from capture.motion.robot_profile import RobotProfile
from capture.motion.trajectory import Trajectory

CONNECTING = 10.0  # s
POLL = 0.02  # s
OFF_START = 0.05  # rad that the arm may be away from where a trajectory begins
OFF_GOAL = 0.05  # rad, and from where it ends, once the driver says that it is there
LATE = 0.5  # s that the joint states may lag behind the driver's word
STALL = 1.5  # s without progress
PROGRESS = 0.002  # rad that counts as such


class FollowJointTrajectoryArm(Arm):
    """An arm as its driver shows it in ROS. The process must be a node already.

    Args:
        profile: the robot.
        joint_names: the order of all joint angles here.
    """

    def __init__(self, profile: RobotProfile, joint_names: tuple[str, ...]) -> None:
        self.name = profile.name
        self._profile, self._joint_names = profile, tuple(joint_names)
        self._goal: TrajectoryGoal | None = None
        self._sending = threading.RLock()  # rospy's handler of signals may interrupt the very thread that sends
        self._is_sending = self._shut_down = False

    def __enter__(self) -> FollowJointTrajectoryArm:
        profile = self._profile
        self._history = JointHistory(profile.joint_states, self._joint_names)
        self._pose = TfPose(profile.base_frame, profile.tool_frame)
        self._client = actionlib.ActionClient(profile.trajectory_action, FollowJointTrajectoryAction)
        _stop_on_shutdown(self)
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
        with self._sending:
            if self._shut_down:
                raise MotionError("ROS is shutting down")
            self._is_sending = True
            self._goal = TrajectoryGoal(self._client, self._profile.trajectory_action, trajectory)
            self._is_sending = False
        try:
            self._watch(self._goal, trajectory, interrupted)
        finally:
            self.stop()
        self._check_end(trajectory)

    def stop(self) -> None:
        if self._goal is not None:
            self._goal.cancel()

    def shut_down(self) -> None:
        """Stop, and begin no further motion."""
        with self._sending:
            self._shut_down = True
            if self._is_sending:  # by this thread: the goal may be on its way, and there is no handle of it yet
                self._client.cancel_goals_at_and_before_time(rospy.Time.now())
        self.stop()

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

    def _watch(self, goal: TrajectoryGoal, trajectory: Trajectory, interrupted: Callable[[], bool]) -> None:
        """Returns when the driver says that the goal is reached. Raises MotionError, Interrupted."""
        begun = moved_at = time.monotonic()
        moved_from = self.positions()
        while not goal.has_ended:
            if interrupted():
                raise Interrupted
            if rospy.is_shutdown():
                raise MotionError("ROS is shutting down")
            now, here = time.monotonic(), self.positions()
            if np.abs(here - moved_from).max() > PROGRESS:
                moved_at, moved_from = now, here
            elif now - moved_at > STALL:
                raise MotionError(self._stall(goal, here - trajectory.positions[-1]))
            if now - begun > 2 * trajectory.duration + 2 * STALL:
                raise MotionError(
                    f"the arm takes more than twice the planned {trajectory.duration:.1f} s; it was stopped"
                )
            time.sleep(POLL)
        if failure := goal.failure():
            raise MotionError(failure)

    def _stall(self, goal: TrajectoryGoal, off: np.ndarray) -> str:
        if not goal.is_taken_up:
            return (
                f"{self._profile.trajectory_action} did not take up the motion within {STALL} s: see the arm's driver"
            )
        joint, most = self._largest(off)
        return (
            f"the arm stalled: no joint has moved for {STALL} s, and {joint} is {most:.3f} rad from its goal; look for "
            "contact, a protective stop, or a paused program on its pendant"
        )

    def _check_start(self, trajectory: Trajectory) -> None:
        if trajectory.joint_names != self._joint_names:
            raise MotionError(f"a trajectory of {trajectory.joint_names} is not for {self._joint_names}")
        joint, off = self._largest(self.positions() - trajectory.positions[0])
        if abs(off) > OFF_START:
            raise MotionError(f"the arm is not where the motion begins: {joint} is off by {off:.3f} rad; did it move?")

    def _check_end(self, trajectory: Trajectory) -> None:
        deadline = time.monotonic() + LATE
        while True:
            joint, off = self._largest(self.positions() - trajectory.positions[-1])
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


def _stop_on_shutdown(arm: FollowJointTrajectoryArm) -> None:
    """On Ctrl-C, rospy closes all topics before those who use them learn of it: the arm would go on to its goal.

    Nor would anybody stop a motion that begins between this and their end.
    """
    known = weakref.ref(arm)  # rospy keeps what it calls for ever

    def stop() -> None:
        if (there := known()) is not None:
            there.shut_down()

    rospy.on_shutdown(stop)
