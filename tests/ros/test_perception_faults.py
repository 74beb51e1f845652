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
from lds_scenes.msg import SegmentedScene
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from datasets.camera import look_at, pinhole
from lds_cli.bench_scenes import render_scenes
from lds_ros.messages import camera_info_message, depth_message, image_message, transform_message
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


def test_poses_of_before_the_clock_was_set_back_are_not_mixed_with_those_of_after(ros: None) -> None:
    source, poses = TfSource("once", "fly"), TfPoses("once")
    source.speaks.clear()
    before = 5000 + np.arange(64) / 16
    wait_for("the first pose", lambda: source.tell(before[0]) or _x(poses, "fly", before[0]))
    for stamp in before:
        source.tell(stamp)
    wait_for("the poses of before", lambda: _x(poses, "fly", before[-1]))
    source.x = 2.0
    after = before[32:40] + 1 / 32
    for stamp in after:
        source.tell(stamp)
    wait_for("the poses of after", lambda: _x(poses, "fly", after[-1]) == pytest.approx(2.4))
    assert _x(poses, "fly", after[3] + 1 / 64) == pytest.approx(2.4)  # where one of before is as near
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


class Camera:
    """Shows a node ten grey pictures a second, from where `seer` is, until it ends.

    Attributes:
        noise: standard deviation of a pixel, of 255.
        frozen: the last picture comes again and again, each time with a new stamp.
        offset: seconds that stamps lie in the future; None: they are 0.
        depth: seconds that depth is stamped after its picture; None: there is none.
        depth_frame: what depth names as its frame.
    """

    def __init__(self, node: str, height: int = 48, width: int = 64) -> None:
        self.noise, self.frozen = 0.0, False
        self.offset: float | None = 0.0
        self.depth: float | None = None
        self.depth_frame = "seer"
        self._picture, self._K = np.full((height, width, 3), 200, np.uint8), pinhole(height, width, 0.7)
        self._images = rospy.Publisher(f"/{node}/image", Image, queue_size=1)
        self._depths = rospy.Publisher(f"/{node}/depth", Image, queue_size=1)
        self._infos = rospy.Publisher(f"/{node}/camera_info", CameraInfo, queue_size=1)
        self._ends = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def end(self) -> None:
        self._ends.set()

    def _run(self) -> None:
        rng = np.random.default_rng(0)
        while not self._ends.wait(0.1):
            if not self.frozen:
                noise = self.noise * rng.standard_normal(self._picture.shape)
                self._picture = (200 + noise).clip(0, 255).astype(np.uint8)
            stamp = rospy.Time() if self.offset is None else rospy.Time.now() + rospy.Duration.from_sec(self.offset)
            self._show(Header(stamp=stamp, frame_id="seer"))

    def _show(self, header: Header) -> None:
        height, width = self._picture.shape[:2]
        if self.depth is not None:
            stamp = header.stamp + rospy.Duration.from_sec(self.depth)
            depth = np.full((height, width), 0.5, np.float32)
            self._depths.publish(depth_message(depth, Header(stamp=stamp, frame_id=self.depth_frame)))
        self._infos.publish(camera_info_message(self._K, height, width, header))
        self._images.publish(image_message(self._picture, header))


def test_labels_go_on_while_tf_is_silent_and_diagnostics_tell(ros: None, start, tiny_weights: Path) -> None:
    source = TfSource("hall", "seer")
    start("segmentation_node.py", "tf_gaps", weights=tiny_weights, threads=1, world="hall")
    statuses, labels = Statuses("tf_gaps"), Labels("/tf_gaps/label")
    camera = Camera("tf_gaps")
    labels.wait_for_more()
    statuses.wait(DiagnosticStatus.OK, "segmenting")
    source.speaks.clear()
    statuses.wait(DiagnosticStatus.WARN, "no place in space: tf last told the place of seer")
    labels.wait_for_more()
    source.speaks.set()
    statuses.wait(DiagnosticStatus.OK, "segmenting")
    camera.end()
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


def test_depth_that_is_out_of_step_or_of_another_frame_is_told(ros: None, start, tiny_weights: Path) -> None:
    start("segmentation_node.py", "deep", weights=tiny_weights, threads=1)
    camera, statuses = Camera("deep"), Statuses("deep")
    objects = rospy.Subscriber("/deep/objects", SegmentedScene, lambda _: None)
    camera.depth = 0.04
    statuses.wait(DiagnosticStatus.WARN, "of the images: depth is stamped +40 ms from the image")
    camera.depth, camera.depth_frame = 0.0, "seer_depth"
    statuses.wait(DiagnosticStatus.WARN, "no place in space: depth is in the frame seer_depth, the image in seer")
    camera.depth_frame = "seer"
    statuses.wait(DiagnosticStatus.OK, "segmenting")
    objects.unregister()
    camera.end()


def test_a_noisy_camera_that_freezes_is_told(ros: None, start, tiny_weights: Path) -> None:
    start("segmentation_node.py", "icy", weights=tiny_weights, threads=1)
    camera, statuses, labels = Camera("icy"), Statuses("icy"), Labels("/icy/label")
    camera.noise = 2.0
    labels.wait_for_more(60)  # of which its noise is known
    statuses.wait(DiagnosticStatus.OK, "segmenting")
    camera.frozen = True
    statuses.wait(DiagnosticStatus.WARN, "frozen camera: the same picture on /icy/image, pixel for pixel, for")
    camera.frozen = False
    statuses.wait(DiagnosticStatus.OK, "segmenting")
    camera.end()


def test_stamps_that_cannot_be_are_told(ros: None, start, tiny_weights: Path) -> None:
    start("segmentation_node.py", "timeless", weights=tiny_weights, threads=1)
    camera, statuses, _ = Camera("timeless"), Statuses("timeless"), Labels("/timeless/label")
    told = {None: "its images have no stamp (0)", 30.0: " s in the future", -30.0: " s before they come"}
    for camera.offset, words in told.items():
        statuses.wait(DiagnosticStatus.WARN, words)
    camera.offset = 0.0
    statuses.wait(DiagnosticStatus.OK, "segmenting")
    camera.end()


def test_a_topic_of_compressed_images_is_told(ros: None, start, tiny_weights: Path) -> None:
    _ = rospy.Publisher("/squeezed/image", CompressedImage, queue_size=1)
    start("segmentation_node.py", "squeezed", weights=tiny_weights, threads=1)
    statuses, _ = Statuses("squeezed"), Labels("/squeezed/label")
    statuses.wait(DiagnosticStatus.WARN, "it carries sensor_msgs/CompressedImage, not sensor_msgs/Image")


def test_a_listener_that_stops_reading_holds_up_nobody(ros: None, start, tiny_weights: Path) -> None:
    node = start("segmentation_node.py", "patient", weights=tiny_weights, threads=1)
    labels = Labels("/patient/label")
    camera = Camera("patient", 480, 640)
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
        camera.end()


def _listeners(topic: str) -> int:
    subscribers = rosgraph.Master("/tests").getSystemState()[1]
    return len(dict(subscribers).get(topic, []))


def _resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 2**20
