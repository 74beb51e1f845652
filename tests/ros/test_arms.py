"""Arms against a driver that this process plays: a trajectory action, joint states and tf."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from processes import PATIENCE, wait_for

from capture.arms.arm import Arm, Interrupted
from capture.errors import MotionError, PoseError
from capture.motion.robot_profile import RobotProfile
from capture.motion.timing import timed
from capture.motion.trajectory import Trajectory

NAMES = ("shoulder", "elbow")
PERIOD = 0.01  # s between joint states
number = itertools.count()


class Driver:
    """An arm of two joints. tf puts `tool` at (shoulder angle, elbow angle, 0) m from `base`.

    Attributes:
        behaviour: of the action: follow, abort, stall (after a third of the way), lie (say that it is there at once).
        noise: of the reported joint angles, rad; drift: rad/s.
        silent: nothing is published; tf_silent: no tf is.
        told: the stamps and joint angles that were published.
        brief: velocities are told of the first joint alone.
    """

    def __init__(self, prefix: str) -> None:
        import actionlib
        import rospy
        import tf2_ros
        from control_msgs.msg import FollowJointTrajectoryAction
        from sensor_msgs.msg import JointState

        self.prefix, self.behaviour = prefix, "follow"
        self.noise = self.drift = 0.0
        self.silent = self.tf_silent = self.brief = False
        self.q, self.v = np.zeros(2), np.zeros(2)
        self.told: list[tuple[float, np.ndarray]] = []
        self._rng = np.random.default_rng(0)
        self._publisher = rospy.Publisher(f"{prefix}/joint_states", JointState, queue_size=10)
        self._tf = tf2_ros.TransformBroadcaster()
        self.server = actionlib.SimpleActionServer(
            f"{prefix}/follow", FollowJointTrajectoryAction, self._follow, auto_start=False
        )
        self.server.start()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._publish)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()
        with self.server.terminate_mutex:  # its thread would keep this process alive
            self.server.need_to_terminate = True
        self.server.action_server.stop()

    def refuse_goals(self) -> None:
        from control_msgs.msg import FollowJointTrajectoryResult as Result

        def refuse(goal: object) -> None:
            goal.set_rejected(Result(Result.INVALID_JOINTS, "no such joint"))

        self.server.action_server.register_goal_callback(refuse)

    def _publish(self) -> None:
        import rospy
        from geometry_msgs.msg import TransformStamped
        from sensor_msgs.msg import JointState

        while not self._ended.wait(PERIOD):
            stamp = rospy.Time.now()
            self.q = self.q + self.drift * PERIOD
            if not self.silent:
                message = JointState(name=["gripper", *reversed(NAMES)])
                message.header.stamp = stamp
                q = self.q + self._rng.normal(0, self.noise, 2) if self.noise else self.q
                message.position, message.velocity = [0.0, *q[::-1]], [0.0] if self.brief else [0.0, *self.v[::-1]]
                self.told.append((stamp.to_sec(), q))
                self._publisher.publish(message)
            if not self.tf_silent:
                transform = TransformStamped(child_frame_id=f"{self.prefix}/tool")
                transform.header.stamp, transform.header.frame_id = stamp, f"{self.prefix}/base"
                place = transform.transform.translation
                place.x, place.y = self.q
                transform.transform.rotation.w = 1.0
                self._tf.sendTransform(transform)

    def _follow(self, goal: object) -> None:
        from control_msgs.msg import FollowJointTrajectoryResult as Result

        columns = [goal.trajectory.joint_names.index(name) for name in NAMES]
        points = goal.trajectory.points
        times = np.array([point.time_from_start.to_sec() for point in points])
        path = np.array([point.positions for point in points])[:, columns]
        begun = time.monotonic()
        if self.behaviour == "lie":
            self.server.set_succeeded(Result())
            return
        while (t := time.monotonic() - begun) < times[-1]:
            if self.behaviour == "abort" and t > times[-1] / 2:
                self.v = np.zeros(2)
                self.server.set_aborted(Result(Result.PATH_TOLERANCE_VIOLATED, "elbow: 0.3 rad off the path"))
                return
            if self.server.is_preempt_requested():
                self.v = np.zeros(2)
                self.server.set_preempted()
                return
            if self.behaviour == "stall":
                t, begun = min(t, times[-1] / 3), time.monotonic() - min(t, times[-1] / 3)
            self.q = np.array([np.interp(t, times, path[:, joint]) for joint in range(2)])
            time.sleep(PERIOD)
        self.q = path[-1]
        self.server.set_succeeded(Result())


@pytest.fixture
def driver(ros: None) -> Iterator[Driver]:
    driver = Driver(f"/arm{next(number)}")
    yield driver
    driver.end()


def profile_of(prefix: str) -> RobotProfile:
    return RobotProfile(
        name="two joints", tried="", base_frame=f"{prefix}/base".lstrip("/"), tool_frame=f"{prefix}/tool".lstrip("/"),
        trajectory_action=f"{prefix}/follow", joint_states=f"{prefix}/joint_states", T_world_base=np.eye(4),
        max_velocity=1.0, max_acceleration=2.0,
    )  # fmt: skip


@pytest.fixture
def arm(driver: Driver) -> Iterator[Arm]:
    from capture.arms.follow_joint_trajectory import FollowJointTrajectoryArm

    with FollowJointTrajectoryArm(profile_of(driver.prefix), NAMES) as arm:
        yield arm


def never() -> bool:
    return False


def trajectory(start: list[float], goal: list[float], speed: float = 2.0) -> Trajectory:
    return timed(NAMES, [np.array(start), np.array(goal)], np.full(2, speed), np.full(2, 4 * speed))


def started(code: str) -> subprocess.Popen:
    """A process of its own that finds all modules that the tests find."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=pipe, stderr=pipe, text=True)


def test_our_build_of_control_msgs_talks_to_drivers_of_ros_itself() -> None:
    from control_msgs.msg import FollowJointTrajectoryAction

    # Of ROS Noetic's own packages (rosmsg md5): nodes whose sums differ refuse to connect.
    assert FollowJointTrajectoryAction._md5sum == "bc4f9b743838566551c0390c65f1a248"


def test_joint_angles_come_in_the_order_asked_for(arm: Arm, driver: Driver) -> None:
    driver.q = np.array([0.1, 0.2])
    wait_for("the new angles", lambda: arm.positions().any())
    assert arm.joints().names == NAMES
    assert arm.joints().positions == pytest.approx([0.1, 0.2])


def test_arm_arrives_and_then_rests(arm: Arm, driver: Driver) -> None:
    from capture.arms.joint_history import STILL_POSITION

    arm.follow(trajectory([0, 0], [0.5, -0.3]), never)
    assert arm.joints().positions == pytest.approx([0.5, -0.3], abs=0.01)
    since = arm.still_since(PATIENCE, never)
    at_rest = [q for stamp, q in list(driver.told) if stamp >= since]
    assert at_rest and np.abs(np.array(at_rest) - [0.5, -0.3]).max() <= STILL_POSITION


def test_motion_that_begins_elsewhere_is_not_sent(arm: Arm, driver: Driver) -> None:
    with pytest.raises(MotionError, match="not where the motion begins: elbow is off by -0.400 rad"):
        arm.follow(trajectory([0, 0.4], [0.5, 0]), never)
    assert not driver.server.is_active()


def test_abort_tells_the_drivers_reason(arm: Arm, driver: Driver) -> None:
    driver.behaviour = "abort"
    with pytest.raises(MotionError, match=r"aborted the motion: left the path: lower .*; elbow: 0.3 rad off the path"):
        arm.follow(trajectory([0, 0], [0.5, 0]), never)


def test_refusal_tells_the_drivers_reason(arm: Arm, driver: Driver) -> None:
    driver.refuse_goals()
    with pytest.raises(
        MotionError, match="refused the motion: other joints than the controller's: see .*; no such joint"
    ):
        arm.follow(trajectory([0, 0], [0.5, 0]), never)


def test_stalled_arm_is_stopped(arm: Arm, driver: Driver) -> None:
    driver.behaviour = "stall"
    with pytest.raises(MotionError, match="stalled: no joint has moved for 1.5 s, and shoulder is .* from its goal"):
        arm.follow(trajectory([0, 0], [0.5, 0]), never)
    wait_for("a stop", lambda: not driver.server.is_active())


def test_word_of_arrival_is_not_believed_blindly(arm: Arm, driver: Driver) -> None:
    driver.behaviour = "lie"
    with pytest.raises(MotionError, match="says that it is there, and shoulder is off by -0.500 rad"):
        arm.follow(trajectory([0, 0], [0.5, 0]), never)


def test_interruption_stops_the_arm(arm: Arm, driver: Driver) -> None:
    with pytest.raises(Interrupted):
        arm.follow(trajectory([0, 0], [2, 0], speed=0.2), lambda: driver.q[0] > 0.1)
    wait_for("a stop", lambda: not driver.server.is_active())
    assert 0.1 < driver.q[0] < 2
    assert arm.still_since(2.0, never)


def test_ctrl_c_stops_the_arm(driver: Driver, ros_master: str) -> None:
    code = f"""
import rospy
from test_arms import NAMES, never, profile_of, trajectory
from capture.arms.follow_joint_trajectory import FollowJointTrajectoryArm
rospy.init_node("mover", anonymous=True)
with FollowJointTrajectoryArm(profile_of("{driver.prefix}"), NAMES) as arm:
    arm.follow(trajectory([0, 0], [4, 0], speed=0.3), never)
"""
    mover = started(code)
    wait_for("motion", lambda: driver.q[0] > 0.2 or mover.poll() is not None)
    assert mover.poll() is None, mover.communicate()
    mover.send_signal(signal.SIGINT)
    wait_for("rest", lambda: not driver.server.is_active())
    assert driver.q[0] < 2
    mover.wait(PATIENCE)


def test_no_motion_begins_once_the_node_is_shut_down(driver: Driver, ros_master: str) -> None:
    """What is to be done at the end may take its time, and rospy still publishes then."""
    code = f"""
import os, signal, threading
import rospy
from test_arms import NAMES, never, profile_of, trajectory
from capture.arms.follow_joint_trajectory import FollowJointTrajectoryArm
from capture.errors import MotionError
rospy.init_node("late_mover", anonymous=True)
ends, moved = threading.Event(), threading.Event()

def follow():
    ends.wait()
    try:
        arm.follow(trajectory([0, 0], [4, 0], speed=1.0), never)
    except MotionError as error:
        print(error)
    moved.set()

def go_on():
    ends.set()
    moved.wait()

with FollowJointTrajectoryArm(profile_of("{driver.prefix}"), NAMES) as arm:
    rospy.on_shutdown(go_on)
    threading.Thread(target=follow).start()
    os.kill(os.getpid(), signal.SIGINT)
"""
    said, errors = started(code).communicate(timeout=PATIENCE)
    assert "ROS is shutting down" in said, said + errors
    assert not driver.q.any()


def test_a_motion_that_is_being_sent_as_the_signal_comes_is_stopped(driver: Driver, ros_master: str) -> None:
    """rospy closes the topics while the thread that sends is held up: nobody could cancel the goal after that."""
    code = f"""
import os, signal
import rospy
from test_arms import NAMES, never, profile_of, trajectory
from capture.arms import follow_joint_trajectory
from capture.errors import MotionError
rospy.init_node("signalled_mover", anonymous=True)
sent = follow_joint_trajectory.TrajectoryGoal

def interrupted_goal(*arguments):
    goal = sent(*arguments)
    os.kill(os.getpid(), signal.SIGINT)
    return goal

follow_joint_trajectory.TrajectoryGoal = interrupted_goal
with follow_joint_trajectory.FollowJointTrajectoryArm(profile_of("{driver.prefix}"), NAMES) as arm:
    try:
        arm.follow(trajectory([0, 0], [4, 0], speed=0.2), never)
    except MotionError as error:
        print(error)
"""
    said, errors = started(code).communicate(timeout=PATIENCE)
    assert said, errors
    wait_for("the driver to stop", lambda: not driver.server.is_active())
    assert driver.q[0] < 3.9


def test_arm_moves_again_after_an_interruption(arm: Arm) -> None:
    with pytest.raises(Interrupted):
        arm.follow(trajectory([0, 0], [1, 0]), lambda: True)
    arm.still_since(2.0, never)
    arm.follow(trajectory(arm.joints().positions, [0.3, 0]), never)
    assert arm.joints().positions == pytest.approx([0.3, 0], abs=0.01)


def test_motion_that_someone_else_cancels_is_told(arm: Arm, driver: Driver) -> None:
    import rospy
    from actionlib_msgs.msg import GoalID

    cancel = rospy.Publisher(f"{driver.prefix}/follow/cancel", GoalID, queue_size=1)
    wait_for("the driver to listen", cancel.get_num_connections)

    def cancel_on_its_way() -> bool:
        if driver.q[0] > 0.1:
            cancel.publish(GoalID())
        return False

    with pytest.raises(MotionError, match="cancelled by someone else"):
        arm.follow(trajectory([0, 0], [2, 0], speed=1.0), cancel_on_its_way)


def test_joint_states_that_end_stop_the_motion(arm: Arm, driver: Driver) -> None:
    def silence_on_its_way() -> bool:
        driver.silent = driver.q[0] > 0.1
        return False

    with pytest.raises(MotionError, match="joint_states has been silent for"):
        arm.follow(trajectory([0, 0], [2, 0], speed=1.0), silence_on_its_way)
    wait_for("a stop", lambda: not driver.server.is_active())


def test_small_noise_is_rest(arm: Arm, driver: Driver) -> None:
    driver.noise = 3e-4
    assert arm.still_since(2.0, never)


@pytest.mark.parametrize(("fault", "strength"), [("noise", 0.02), ("drift", 0.2)])
def test_arm_that_does_not_rest_is_told(arm: Arm, driver: Driver, fault: str, strength: float) -> None:
    setattr(driver, fault, strength)
    wait_for("the fault", lambda: np.abs(arm.positions()).max() > 0.01)
    with pytest.raises(MotionError, match=r"did not come to rest within 0.6 s: (shoulder|elbow) moved or jittered by"):
        arm.still_since(0.6, never)


def test_rest_is_told_by_the_angles_where_velocities_are_missing(arm: Arm, driver: Driver) -> None:
    driver.brief = True
    brief_since = arm.joints().stamp
    # longer than what was told before counts for anything; were such messages not taken, asking would fail
    wait_for("news without velocities", lambda: arm.joints().stamp > brief_since + 0.7)
    assert arm.still_since(1.0, never)


def test_moving_joints_are_named(arm: Arm, driver: Driver) -> None:
    driver.v = np.array([0.0, 0.3])
    wait_for("news of it", lambda: arm.joints().velocities.any())
    with pytest.raises(MotionError, match="elbow moves at 0.300 rad/s"):
        arm.still_since(0.3, never)


def test_waiting_for_rest_can_be_interrupted(arm: Arm, driver: Driver) -> None:
    driver.v = np.array([0.0, 0.3])
    wait_for("news of it", lambda: arm.joints().velocities.any())
    with pytest.raises(Interrupted):
        arm.still_since(30.0, lambda: True)


def place(arm: Arm, stamp: float) -> list[float] | None:
    """Where the tool was; None where that is not known, as in the holes that a busy machine leaves in tf."""
    try:
        return arm.T_base_tool(stamp)[:3, 3].tolist()
    except PoseError:
        return None


def test_pose_is_that_of_the_very_time(arm: Arm, driver: Driver) -> None:
    import rospy

    before = wait_for("a place", lambda: (now := rospy.get_time()) and place(arm, now) and now)
    assert place(arm, before) == [0, 0, 0]
    driver.q = np.array([0.7, 0.1])
    wait_for("the new place", lambda: place(arm, rospy.get_time()) == pytest.approx([0.7, 0.1, 0]))
    assert place(arm, before) == [0, 0, 0]


def test_pose_in_a_gap_is_not_made_up(arm: Arm, driver: Driver) -> None:
    import rospy

    driver.tf_silent = True
    time.sleep(0.25)  # with the next, the gap itself
    within = rospy.get_time()
    time.sleep(0.25)
    driver.tf_silent = False
    with pytest.raises(PoseError, match=r"no place of arm\d+/tool for \d\.\d\d s around the image's time"):
        arm.T_base_tool(within)
    wait_for("a place", lambda: place(arm, rospy.get_time()))


def test_pose_before_or_after_all_that_is_known_is_refused(arm: Arm) -> None:
    import rospy

    with pytest.raises(PoseError, match="before the image was taken: either tf has stopped"):
        arm.T_base_tool(rospy.get_time() + 5)
    with pytest.raises(PoseError, match="its stamp is too old"):
        arm.T_base_tool(rospy.get_time() - 100)


def test_what_is_missing_is_named_on_connecting(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    from capture.arms import follow_joint_trajectory

    monkeypatch.setattr(follow_joint_trajectory, "CONNECTING", 0.3)
    profile = profile_of(driver.prefix)
    for wrong, names, message in (
        (replace(profile, joint_states="/nowhere"), NAMES, "nothing comes on /nowhere: is the arm's driver running"),
        (profile, ("shoulder", "wrist"), "tells of elbow, gripper, shoulder, not of wrist"),
        (replace(profile, trajectory_action="/nothing"), NAMES, "no action /nothing: is the arm's driver running"),
    ):
        arm = follow_joint_trajectory.FollowJointTrajectoryArm(wrong, names)
        with pytest.raises(MotionError, match=message):
            arm.__enter__()


def test_a_free_hand_rests_where_tf_does(driver: Driver) -> None:
    from capture.arms.freehand import FreehandArm

    with FreehandArm(profile_of(driver.prefix)) as hand:
        assert hand.joints() is None
        with pytest.raises(MotionError, match="two joints: the operator moves the camera here"):
            hand.positions()
        since = hand.still_since(2.0, never)
        assert hand.T_base_tool(since)[:3, 3] == pytest.approx([0, 0, 0])
        with pytest.raises(MotionError, match="no motion can be commanded"):
            hand.follow(trajectory([0, 0], [1, 0]), never)
        driver.drift = 0.05
        with pytest.raises(MotionError, match="the camera did not rest within 0.6 s: it moved by"):
            hand.still_since(0.6, never)


def test_free_hand_without_tf_says_so(ros: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from capture.arms import freehand

    monkeypatch.setattr(freehand, "CONNECTING", 0.3)
    with pytest.raises(MotionError, match="tf does not connect nowhere/base with nowhere/tool"):
        freehand.FreehandArm(profile_of("nowhere")).__enter__()
