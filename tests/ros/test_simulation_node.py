"""The simulated rig as a recorder meets it: action, joint states, pictures, tf and services of a real process."""

from __future__ import annotations

import itertools
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from processes import PATIENCE, wait_for

pytest.importorskip("lds_scenes.msg", reason="the ROS messages are not built: run the tests with ./run test")

import rospy
import tf2_ros
from action_client import ActionClient
from actionlib_msgs.msg import GoalStatus
from control_msgs.msg import FollowJointTrajectoryAction, FollowJointTrajectoryGoal, FollowJointTrajectoryResult
from lds_scenes.msg import SceneObjects
from lds_scenes.srv import RearrangeCubes, SetFault
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import CameraInfo, Image, JointState
from silhouettes import centroid_errors
from std_srvs.srv import SetBool
from trajectory_msgs.msg import JointTrajectoryPoint

from capture.calibration.board import BOARD
from capture.simulation.arm import read_joint_limits
from capture.simulation.faults import FAULTS
from capture.simulation.truth import START, T_TOOL_CAMERA, T_WORLD_BOARD
from datasets.camera import project
from lds_ros.messages import depth_from_message, image_from_message, intrinsics_from_message, labels_from_message
from lds_ros.objects import scene_objects

NAMES = read_joint_limits().names
AIMED = START + [0.1, 0.0, 0.0, 0.2, -0.1, 0.5]  # over the table, turned a little
BUFFER = 2**24


class Topic:
    """The newest messages of a topic, by their stamps."""

    def __init__(self, name: str, kind: type) -> None:
        self.messages: list = []
        self._subscriber = rospy.Subscriber(name, kind, self.messages.append, queue_size=50, buff_size=BUFFER)

    def first_after(self, stamp: rospy.Time) -> object:
        def found() -> object | None:
            return next((m for m in list(self.messages) if m.header.stamp > stamp), None)

        return wait_for(f"a message on {self._subscriber.name}", found)

    def at(self, stamp: rospy.Time) -> object:
        def found() -> object | None:
            return next((m for m in list(self.messages) if m.header.stamp == stamp), None)

        return wait_for(f"the message of {stamp.to_sec():.3f} on {self._subscriber.name}", found)

    def close(self) -> None:
        self._subscriber.unregister()


class Rig:
    def __init__(self) -> None:
        self.joints, self.info = Topic("/joint_states", JointState), Topic("/camera/camera_info", CameraInfo)
        self.image, self.masks = Topic("/camera/image_raw", Image), Topic("/camera/masks", Image)
        self.depth, self.objects = Topic("/camera/depth/image_raw", Image), Topic("/simulation/objects", SceneObjects)
        self.arm = ActionClient("/arm_controller/follow_joint_trajectory", FollowJointTrajectoryAction)
        self.tf = tf2_ros.Buffer(rospy.Duration(60))
        self._listener = tf2_ros.TransformListener(self.tf)
        self.rearrange = rospy.ServiceProxy("/simulation/rearrange", RearrangeCubes)
        self.show_board = rospy.ServiceProxy("/simulation/show_board", SetBool)
        self.set_fault = rospy.ServiceProxy("/simulation/set_fault", SetFault)
        self.image.first_after(rospy.Time(0))

    def goal(self, *points: tuple[float, np.ndarray], names: tuple[str, ...] = NAMES) -> FollowJointTrajectoryGoal:
        """Through joint angles at times (seconds), standing at each."""
        goal = FollowJointTrajectoryGoal()
        goal.trajectory.joint_names = list(names)
        goal.trajectory.points = [
            JointTrajectoryPoint(positions=list(angles), time_from_start=rospy.Duration.from_sec(time))
            for time, angles in points
        ]
        return goal

    def move(self, goal: FollowJointTrajectoryGoal, feedback: Callable | None = None) -> FollowJointTrajectoryResult:
        self.arm.send(goal, feedback)
        return self.arm.result(timeout=PATIENCE)

    def angles(self) -> np.ndarray:
        return np.array(self.joints.first_after(rospy.Time.now()).position)

    def T_world_camera(self, stamp: rospy.Time) -> np.ndarray:
        """By tf at that very time."""
        transform = self.tf.lookup_transform("world", "tool0", stamp, rospy.Duration(20)).transform
        t, r = transform.translation, transform.rotation
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = Rotation.from_quat([r.x, r.y, r.z, r.w]).as_matrix(), [t.x, t.y, t.z]
        return pose @ T_TOOL_CAMERA

    def close(self) -> None:
        for topic in (self.joints, self.info, self.image, self.masks, self.depth, self.objects):
            topic.close()
        self._listener.unregister()


@pytest.fixture(scope="module")
def running(ros: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    log: Path = tmp_path_factory.mktemp("sim") / "log"
    with log.open("wb") as output:
        launch = subprocess.Popen(
            ["roslaunch", "lds_scenes", "sim.launch", "seed:=3"], stdout=output, stderr=subprocess.STDOUT
        )
    try:
        rig = Rig()
        yield rig
        rig.close()
    finally:
        launch.send_signal(signal.SIGINT)
        launch.wait(PATIENCE)


@pytest.fixture
def rig(running: Rig) -> Iterator[Rig]:
    """Without faults, with the arm at AIMED."""
    running.move(running.goal((1.0, AIMED)))
    yield running
    running.set_fault("", False, 0, 0)
    running.show_board(False)


def test_goal_is_reached_with_feedback(rig: Rig) -> None:
    told = []
    goal = AIMED + 0.2
    result = rig.move(rig.goal((0.0, AIMED), (1.0, goal)), told.append)
    assert result.error_code == FollowJointTrajectoryResult.SUCCESSFUL
    np.testing.assert_allclose(rig.angles(), goal, atol=5e-3)
    assert told and told[0].joint_names == list(NAMES)
    np.testing.assert_allclose(
        np.subtract(told[-1].desired.positions, told[-1].actual.positions), told[-1].error.positions, atol=1e-12
    )


def test_preempt_stops_the_arm(rig: Rig) -> None:
    rig.arm.send(rig.goal((12.0, AIMED + 0.5)))
    wait_for("motion", lambda: rig.arm.state == GoalStatus.ACTIVE and np.abs(rig.angles() - AIMED).max() > 0.05)
    rig.arm.cancel()
    rig.arm.result(timeout=PATIENCE)
    assert rig.arm.state == GoalStatus.PREEMPTED
    stopped = rospy.Time.now()
    joints = rig.joints.first_after(stopped + rospy.Duration(0.1))
    assert np.abs(joints.velocity).max() < 0.05
    assert np.abs(np.array(joints.position) - AIMED).max() < 0.45


def test_newer_goal_takes_the_arm_over(rig: Rig) -> None:
    first = ActionClient("/arm_controller/follow_joint_trajectory", FollowJointTrajectoryAction)
    first.send(rig.goal((20.0, AIMED + 0.5)))
    wait_for("the first goal", lambda: first.state == GoalStatus.ACTIVE)
    assert rig.move(rig.goal((1.0, AIMED - 0.1))).error_code == FollowJointTrajectoryResult.SUCCESSFUL
    wait_for("the first goal's end", lambda: first.state == GoalStatus.PREEMPTED)


@pytest.mark.parametrize(
    ("points", "names", "reason"),
    [
        ([(1.0, AIMED)], ("a", *NAMES[1:]), "the arm has shoulder_pan_joint"),
        ([], NAMES, "no points"),
        ([(1.0, AIMED[:4])], NAMES, "for each joint"),
        ([(1.0, AIMED), (0.5, AIMED)], NAMES, "do not rise"),
        ([(0.0, AIMED + 1), (5.0, AIMED)], NAMES, "from where"),
    ],
)
def test_wrong_goals_are_refused_in_words(rig: Rig, points: list, names: tuple[str, ...], reason: str) -> None:
    result = rig.move(rig.goal(*points, names=names))
    assert rig.arm.state == GoalStatus.REJECTED
    assert result.error_code == FollowJointTrajectoryResult.INVALID_GOAL and reason in result.error_string


def test_stamps_rise_and_joint_states_have_those_of_pictures(rig: Rig) -> None:
    begin = rospy.Time.now()
    rig.image.first_after(begin + rospy.Duration(1.0))
    for topic in (rig.image, rig.joints):
        stamps = [m.header.stamp for m in list(topic.messages)]
        assert all(a < b for a, b in zip(stamps, stamps[1:], strict=False))
    for image in [m for m in list(rig.image.messages) if m.header.stamp > begin]:
        assert rig.joints.at(image.header.stamp).name == list(NAMES)
        for topic in (rig.info, rig.depth, rig.masks):
            assert topic.at(image.header.stamp).header.frame_id == "camera_optical_frame"


def test_pictures_masks_and_tf_agree_while_the_arm_rests_and_moves(rig: Rig) -> None:
    objects = scene_objects(rig.rearrange(11).objects)
    seen, places = rospy.Time.now(), itertools.cycle((AIMED + [0.2, 0.0, 0.0, 0.5, 0.1, 1.0], AIMED))
    K, distortion = intrinsics_from_message(rig.info.messages[-1])
    assert not distortion.any()
    errors: list[float] = []
    deadline = time.monotonic() + PATIENCE
    while len(errors) <= 8 and time.monotonic() < deadline:  # a busy machine renders few pictures
        rig.move(rig.goal((3.0, next(places))))
        rig.masks.first_after(rospy.Time.now())
        fresh = [m for m in list(rig.masks.messages) if m.header.stamp > seen]
        for message in fresh:
            seen = message.header.stamp
            errors += centroid_errors(labels_from_message(message), objects, rig.T_world_camera(seen), K)
    assert len(errors) > 8 and max(errors) < 1.5  # pixels


def test_same_seed_gives_same_cubes_and_tells_all_who_listen(rig: Rig) -> None:
    first, other, again = (rig.rearrange(seed) for seed in (5, 6, 5))
    assert first.success and first.objects.objects == again.objects.objects != other.objects.objects
    told = wait_for("the news", lambda: rig.objects.messages[-1].header.stamp == again.objects.header.stamp)
    assert told and rig.objects.messages[-1].header.frame_id == "world"


def test_board_is_shown_in_place_of_the_cubes(rig: Rig) -> None:
    rig.show_board(True)
    asked = rospy.Time.now()
    message = rig.image.first_after(asked)
    found = BOARD.detect(image_from_message(message))
    assert found.usable
    K, _ = intrinsics_from_message(rig.info.messages[-1])
    points = found.object_points @ T_WORLD_BOARD[:3, :3].T + T_WORLD_BOARD[:3, 3]
    expected = project(points, rig.T_world_camera(message.header.stamp), K)
    assert np.linalg.norm(found.corners - expected, axis=1).max() < 0.5
    assert not labels_from_message(rig.masks.first_after(asked)).any() and not rig.objects.messages[-1].objects


def test_depth_is_metres_to_the_table(rig: Rig) -> None:
    depth = depth_from_message(rig.depth.first_after(rospy.Time.now()))
    assert depth.shape == (480, 640) and 0.2 < np.median(depth) < 1.0


def test_faults_come_and_go(rig: Rig) -> None:
    assert rig.set_fault("over_exposure", True, 4.0, 0).success
    dazzled = image_from_message(rig.image.first_after(rospy.Time.now()))
    assert rig.set_fault("over_exposure", False, 0, 0).success
    mended = image_from_message(rig.image.first_after(rospy.Time.now()))
    assert (dazzled == 255).mean() > 0.5 > (mended == 255).mean()


def test_faults_of_the_arm_reach_the_client(rig: Rig) -> None:
    rig.set_fault("trajectory_refused", True, 0, 0)
    assert rig.move(rig.goal((1.0, AIMED))).error_code == FollowJointTrajectoryResult.INVALID_GOAL
    rig.set_fault("", False, 0, 0)
    rig.set_fault("trajectory_aborted", True, 0.2, 0)
    result = rig.move(rig.goal((2.0, AIMED + 0.3)))
    assert result.error_code == FollowJointTrajectoryResult.PATH_TOLERANCE_VIOLATED
    assert rig.arm.state == GoalStatus.ABORTED


def test_tf_has_a_hole_where_joint_states_are_missing(rig: Rig) -> None:
    rig.set_fault("tf_gap", True, 0, 0)
    stamp = rig.image.first_after(rospy.Time.now()).header.stamp
    with pytest.raises(tf2_ros.ExtrapolationException):
        rig.tf.lookup_transform("world", "tool0", stamp, rospy.Duration(0.5))


def test_unknown_fault_is_answered_with_the_list(rig: Rig) -> None:
    answer = rig.set_fault("smoke", True, 0, 0)
    assert not answer.success and all(name in answer.message for name in FAULTS)
    assert set(rospy.get_param("/simulation/faults")) == set(FAULTS)
