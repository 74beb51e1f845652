"""Where the hand-eye node puts camera and robot in tf."""

from __future__ import annotations

import dataclasses
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import yaml
from processes import PATIENCE, ROOT, wait_for

pytest.importorskip("lds_scenes.msg", reason="the ROS messages are not built: run the tests with ./run test")

import rospy
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from capture.calibration.calibration import Calibration
from capture.calibration.calibration_file import save_calibration
from capture.calibration.verdict import Verdict
from capture.hand_eye_node import PATIENCE as OTHERS_TIME
from capture.simulation.true_calibration import true_calibration
from datasets.camera import look_at
from lds_ros.messages import transform_message
from lds_ros.poses import PoseUnknown, TfPoses

T_WORLD_BASE = {"position": [-0.52, 0.1, 0.01], "quaternion": [0.0, 0.0, 0.6, 0.8]}
T_BASE_TOOL = look_at(np.array([0.4, 0.1, 0.35]), np.zeros(3))

pytestmark = pytest.mark.usefixtures("ros")

Start = Callable[..., subprocess.Popen]


class StaticTf:
    """Frames that the tests tell of: the last message is latched."""

    def __init__(self) -> None:
        self._publisher = rospy.Publisher("/tf_static", TFMessage, queue_size=10, latch=True)

    def tell(self, *links: tuple[str, str]) -> None:
        """Each is (parent, child); the child is at T_BASE_TOOL."""
        stamp = rospy.Time.now()
        self._publisher.publish(
            TFMessage([transform_message(T_BASE_TOOL, parent, Header(0, stamp, child)) for parent, child in links])
        )


@pytest.fixture(scope="module")
def tf() -> StaticTf:
    return StaticTf()


@pytest.fixture
def start(start_node: Start, tmp_path: Path) -> Start:
    """Starts a hand-eye node of this name, for a robot whose frames begin with it; its calibration may be changed."""

    def start(name: str, hand_eye: dict[str, object] | None = None, **parameters: object) -> subprocess.Popen:
        profile = yaml.safe_load((ROOT / "config/robots/ur5e.yaml").read_text())
        profile |= {"name": name, "base_frame": f"{name}_base", "tool_frame": f"{name}_tool"}
        (tmp_path / "robot.yaml").write_text(yaml.safe_dump({**profile, "T_world_base": T_WORLD_BASE}))
        calibrated = dataclasses.replace(true_calibration().hand_eye, **{"robot": name, **(hand_eye or {})})
        save_calibration(tmp_path / "calibration.yaml", Calibration(hand_eye=calibrated))
        files = {"robot": tmp_path / "robot.yaml", "calibration": tmp_path / "calibration.yaml"}
        return start_node("hand_eye_node.py", name, **files, frame=f"{name}_camera", **parameters)

    return start


def where(frame: str, world: str) -> np.ndarray:
    """T_world_frame, once tf tells it."""
    poses = TfPoses(world)

    def told() -> list[np.ndarray]:
        try:
            return [poses.at(frame, time.time(), patience=0)]
        except PoseUnknown:
            return []

    (pose,) = wait_for(f"the pose of {frame} in {world}", told)
    poses.close()
    return pose


def latched(node: str) -> set[str]:
    """The frames whose place a node's latched message tells to one who begins to listen."""
    found: list[set[str]] = []

    def keep(message: TFMessage) -> None:
        if message._connection_header["callerid"] == f"/{node}":
            found.append({transform.child_frame_id for transform in message.transforms})

    subscriber = rospy.Subscriber("/tf_static", TFMessage, keep)
    frames = wait_for(f"what {node} tells tf", lambda: found)[0]
    subscriber.unregister()
    return frames


def test_the_camera_is_known_in_the_world_by_profile_tf_and_calibration(start: Start, tf: StaticTf) -> None:
    start("placed", world="placed_hall")
    tf.tell(("placed_base", "placed_tool"))
    T_world_base = np.array([[0.28, -0.96, 0, -0.52], [0.96, 0.28, 0, 0.1], [0, 0, 1, 0.01], [0, 0, 0, 1]])
    T_tool_camera = true_calibration().hand_eye.T_tool_camera
    expected = T_world_base @ T_BASE_TOOL @ T_tool_camera
    np.testing.assert_allclose(where("placed_camera", "placed_hall"), expected, atol=1e-9)


def test_a_base_that_has_a_place_in_tf_keeps_it_and_the_log_tells_where_poses_are_known(
    start: Start, tf: StaticTf
) -> None:
    tf.tell(("floor", "stood_base"), ("stood_base", "stood_tool"))
    node = start("stood", world="stood_hall")
    told = "tf has floor above stood_base already: T_world_base of the robot stood is left out of tf"
    wait_for("the log", lambda: told in node.log.read_text() and "world:=floor" in node.log.read_text())
    assert latched("stood") == {"stood_camera"}
    expected = T_BASE_TOOL @ T_BASE_TOOL @ true_calibration().hand_eye.T_tool_camera
    np.testing.assert_allclose(where("stood_camera", "floor"), expected, atol=1e-9)


def test_a_driver_that_places_the_base_later_takes_over(start: Start, tf: StaticTf) -> None:
    node = start("met", world="met_hall")
    wait_for("the base's place", lambda: latched("met") == {"met_camera", "met_base"})
    tf.tell(("ground", "met_base"))
    wait_for("the log", lambda: "tf has ground above met_base already" in node.log.read_text())
    wait_for("the withdrawal", lambda: latched("met") == {"met_camera"})


def test_a_world_that_is_the_base_has_nothing_above_it(start: Start, tf: StaticTf) -> None:
    tf.tell(("own_base", "own_tool"))
    node = start("own", world="own_base")
    expected = T_BASE_TOOL @ true_calibration().hand_eye.T_tool_camera
    np.testing.assert_allclose(where("own_camera", "own_base"), expected, atol=1e-9)
    time.sleep(OTHERS_TIME + 1)  # by then another world would have been told
    assert latched("own") == {"own_camera"} and node.poll() is None


@pytest.mark.parametrize(
    ("name", "hand_eye", "told"),
    [
        ("strange", {"robot": "franka_panda"}, "is of the robot 'franka_panda', and this is 'strange'"),
        ("shaken", {"verdict": Verdict("bad", ("it shook",))}, "the hand-eye calibration is bad (it shook)"),
    ],
)
def test_a_calibration_that_is_bad_or_of_another_robot_is_refused_in_one_line(
    start: Start, name: str, hand_eye: dict[str, object], told: str
) -> None:
    node = start(name, hand_eye)
    assert node.wait(PATIENCE) == 1
    (line,) = [line for line in node.log.read_text().splitlines() if "cannot run" in line]
    assert told in line and "calibration.yaml" in line and "lds capture calibrate handeye" in line
    assert "Traceback" not in node.log.read_text()


def test_a_stale_calibration_is_taken_with_a_warning(start: Start) -> None:
    node = start("stale", {"made": datetime(2020, 3, 1, tzinfo=UTC)}, world="")
    assert latched("stale") == {"stale_camera"}
    (line,) = [line for line in node.log.read_text().splitlines() if "[WARN]" in line]
    assert "days old (of 2020-03-01), more than 30" in line
