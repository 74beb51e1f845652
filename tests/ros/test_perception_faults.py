"""What befalls a camera and tf while the segmentation node runs."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from processes import wait_for

pytest.importorskip("lds_scenes.msg", reason="the ROS messages are not built: run the tests with ./run test")

import rosgraph
import rospy
import tf2_ros
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from datasets.camera import look_at, pinhole
from lds_cli.bench_scenes import render_scenes
from lds_ros.messages import camera_info_message, image_message, transform_message
from lds_ros.poses import MAX_GAP, MEMORY, PoseUnknown, TfPoses

PERIOD = 0.03  # seconds between two poses


@pytest.fixture
def start(start_node: Callable[..., subprocess.Popen]) -> Iterator[Callable[..., subprocess.Popen]]:
    """As `start_node`; the nodes end with the test, since what they tell of themselves would confuse others."""
    running: list[subprocess.Popen] = []

    def start(*arguments: str, **parameters: object) -> subprocess.Popen:
        running.append(start_node(*arguments, **parameters))
        return running[-1]

    yield start
    for node in running:
        node.kill()
        node.wait()


class TfSource:
    """Tells where `frame` is in `world`, again and again, until it is paused."""

    def __init__(self, world: str, frame: str) -> None:
        self._broadcaster = tf2_ros.TransformBroadcaster()
        self._world, self._frame = world, frame
        self.x, self.speaks, self._ends = 0.0, threading.Event(), threading.Event()
        self.speaks.set()
        threading.Thread(target=self._run, daemon=True).start()

    def tell(self, stamp: float) -> None:
        pose = look_at(np.array([self.x + 0.4, 0.1, 0.35]), np.array([self.x, 0, 0]))
        header = Header(stamp=rospy.Time.from_sec(stamp), frame_id=self._frame)
        self._broadcaster.sendTransform(transform_message(pose, self._world, header))

    def end(self) -> None:
        self._ends.set()

    def _run(self) -> None:
        while not self._ends.wait(PERIOD):
            if self.speaks.is_set():
                self.tell(time.time())


@pytest.fixture
def tf_source(ros: None) -> Iterator[TfSource]:
    source = TfSource("ground", "eye")
    yield source
    source.end()


def test_a_hole_in_tf_is_no_pose_and_what_comes_after_it_is(tf_source: TfSource) -> None:
    poses = TfPoses("ground")
    wait_for("a pose", lambda: _x_now(poses))
    tf_source.speaks.clear()
    silent_from = time.time()
    time.sleep(5 * MAX_GAP)
    with pytest.raises(PoseUnknown, match="tf last told the place of eye"):
        poses.at("eye", time.time(), patience=0.05)
    tf_source.x = 1.0
    tf_source.speaks.set()
    assert wait_for("a pose again", lambda: _x_now(poses)) == pytest.approx(1.4)
    with pytest.raises(PoseUnknown, match="tf told no place of eye for"):
        poses.at("eye", silent_from + 2.5 * MAX_GAP, patience=0.05)
    poses.close()


def test_after_the_clock_was_set_back_poses_are_known_again(ros: None) -> None:
    source, poses = TfSource("early", "bird"), TfPoses("early")
    source.speaks.clear()

    def told_at(stamp: float) -> float | None:
        source.tell(stamp)
        return _x(poses, "bird", stamp)

    later = 5000.0 + 2 * MEMORY
    wait_for("a pose", lambda: told_at(later))
    source.x = 2.0
    assert wait_for("the pose of an earlier time", lambda: told_at(5000.0)) == pytest.approx(2.4)
    with pytest.raises(PoseUnknown):
        poses.at("bird", later, patience=0.05)
    source.end()
    poses.close()


def _x_now(poses: TfPoses) -> float | None:
    return _x(poses, "eye", time.time() - 2 * PERIOD)


def _x(poses: TfPoses, frame: str, stamp: float) -> float | None:
    """Where the frame is along x; None where it is not known."""
    try:
        return float(poses.at(frame, stamp, patience=0.1)[0, 3])
    except PoseUnknown:
        return None


class Statuses:
    """The newest /diagnostics of a node."""

    def __init__(self, node: str) -> None:
        self._node, self.newest = node, DiagnosticStatus()
        rospy.Subscriber("/diagnostics", DiagnosticArray, self._keep)

    def _keep(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name.startswith(f"{self._node}:"):
                self.newest = status

    def wait(self, level: int, words: str) -> None:
        wait_for(f"'{words}'", lambda: self.newest.level == level and words in self.newest.message)


class Labels:
    """How many label images came."""

    def __init__(self, topic: str) -> None:
        self.count = 0
        rospy.Subscriber(topic, Image, self._note, buff_size=2**24)

    def _note(self, _: Image) -> None:
        self.count += 1

    def wait_for_more(self, images: int = 3) -> None:
        before = self.count
        wait_for("labels", lambda: self.count >= before + images)


def show_pictures(node: str, height: int, width: int) -> threading.Event:
    """Show a node ten grey pictures a second, from where `seer` is, until the event is set."""
    images = rospy.Publisher(f"/{node}/image", Image, queue_size=1)
    infos = rospy.Publisher(f"/{node}/camera_info", CameraInfo, queue_size=1)
    K, picture, ends = pinhole(height, width, 0.7), np.full((height, width, 3), 200, np.uint8), threading.Event()

    def show() -> None:
        while not ends.wait(0.1):
            header = Header(stamp=rospy.Time.now(), frame_id="seer")
            infos.publish(camera_info_message(K, height, width, header))
            images.publish(image_message(picture, header))

    threading.Thread(target=show, daemon=True).start()
    return ends


def test_labels_go_on_while_tf_is_silent_and_diagnostics_tell(ros: None, start, tiny_weights: Path) -> None:
    source = TfSource("hall", "seer")
    start("segmentation_node.py", "tf_gaps", weights=tiny_weights, threads=1, world="hall")
    statuses, labels = Statuses("tf_gaps"), Labels("/tf_gaps/label")
    ends = show_pictures("tf_gaps", 48, 64)
    labels.wait_for_more()
    statuses.wait(DiagnosticStatus.OK, "segmenting")
    source.speaks.clear()
    statuses.wait(DiagnosticStatus.WARN, "no place in space: tf last told the place of seer")
    labels.wait_for_more()
    source.speaks.set()
    statuses.wait(DiagnosticStatus.OK, "segmenting")
    ends.set()
    source.end()


def test_a_camera_that_is_unplugged_is_told_and_one_that_comes_back_is_seen_again(
    ros: None, start, tiny_weights: Path, tmp_path: Path
) -> None:
    render_scenes(tmp_path / "scenes", 1)

    def plug_in() -> subprocess.Popen:
        frames = {"frame": "plugged", "world": "socket"}  # of its own: other tests have their camera in tf
        return start("player_node.py", "plugged", data=tmp_path / "scenes", rate=10, **frames)

    camera = plug_in()
    start(
        "segmentation_node.py", "watcher", weights=tiny_weights, threads=1,
        **{"~image": "/plugged/image_raw", "~camera_info": "/plugged/camera_info"},
    )  # fmt: skip
    statuses, labels = Statuses("watcher"), Labels("/watcher/label")
    labels.wait_for_more()
    statuses.wait(DiagnosticStatus.OK, "segmenting")
    camera.kill()
    statuses.wait(DiagnosticStatus.WARN, "no image on /plugged/image_raw for")
    plug_in()
    labels.wait_for_more()
    statuses.wait(DiagnosticStatus.OK, "segmenting")


def test_a_listener_that_stops_reading_holds_up_nobody(ros: None, start, tiny_weights: Path) -> None:
    node = start("segmentation_node.py", "patient", weights=tiny_weights, threads=1)
    labels = Labels("/patient/label")
    ends = show_pictures("patient", 480, 640)
    labels.wait_for_more()
    deaf = subprocess.Popen(
        ["rostopic", "echo", "/patient/label"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for("the other listener", lambda: _listeners("/patient/label") == 2)
        deaf.send_signal(signal.SIGSTOP)
        labels.wait_for_more(20)  # of 1.2 MB each: what the sockets hold is full by then
        before = _resident_mb(node.pid)
        labels.wait_for_more(30)
        assert _resident_mb(node.pid) < before + 20
    finally:
        deaf.kill()
        ends.set()


def _listeners(topic: str) -> int:
    subscribers = rosgraph.Master("/tests").getSystemState()[1]
    return len(dict(subscribers).get(topic, []))


def _resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 2**20
