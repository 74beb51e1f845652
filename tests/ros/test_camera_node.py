"""A camera without a driver, up to the labels: files stand in for the device, all else is real."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
from processes import PATIENCE, wait_for

pytest.importorskip("lds_scenes.msg", reason="the ROS messages are not built: run the tests with ./run test")

import rospy
from sensor_msgs.msg import CameraInfo, Image

from capture.calibration.calibration import Calibration, IntrinsicsResult
from capture.calibration.calibration_file import save_calibration
from capture.calibration.verdict import Verdict
from capture.cameras.camera import Intrinsics
from capture.cameras.opening import open_camera
from capture.cameras.settings import RosTopicSettings
from lds_ros.messages import depth_from_message, image_from_message, intrinsics_from_message, labels_from_message

HEIGHT, WIDTH = 96, 128
K = np.array([[117.5, 0, 62.1], [0, 118.25, 47.3], [0, 0, 1]])
LENS = Intrinsics(K, np.array([0.11, -0.2, 0.001, -0.002, 0.03]), WIDTH, HEIGHT)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder that plays as a camera: 20 pictures a second, red by their number, over and over."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(40):
        cv2.imwrite(str(folder / f"{i:04d}.png"), np.full((HEIGHT, WIDTH, 3), (10, 20, 5 * i), np.uint8))
    return folder


@pytest.fixture
def webcam(pictures: Path, tmp_path: Path) -> Path:
    file = tmp_path / "webcam.yaml"
    file.write_text(f"kind: webcam\ndevice: {pictures}/%04d.png\nfps: 20\nlatency: 0\n")
    return file


@pytest.fixture
def calibration(tmp_path: Path) -> Path:
    made = datetime.now(UTC).replace(microsecond=0)
    lens = IntrinsicsResult(LENS, "", made, 0.1, 0.1, 0.1, 0.1, 20, Verdict("good", ()))
    save_calibration(tmp_path / "lab.yaml", Calibration(lens))
    return tmp_path / "lab.yaml"


class Listener:
    """All messages of a topic."""

    def __init__(self, topic: str, kind: type) -> None:
        self.came: list = []
        self._subscriber = rospy.Subscriber(topic, kind, self.came.append, queue_size=10)

    def next(self, what: str) -> object:
        """The first message from now on."""
        before = len(self.came)
        return wait_for(what, lambda: len(self.came) > before and self.came[before])

    @property
    def stamps(self) -> set[rospy.Time]:
        return {message.header.stamp for message in self.came}

    def close(self) -> None:
        self._subscriber.unregister()


@pytest.fixture
def listen(ros: None) -> Iterator[Callable[[str, type], Listener]]:
    listeners: list[Listener] = []

    def listen(topic: str, kind: type = Image) -> Listener:
        listeners.append(Listener(topic, kind))
        return listeners[-1]

    yield listen
    for listener in listeners:
        listener.close()


def test_pictures_come_with_the_calibrated_lens(start_node, listen, webcam: Path, calibration: Path) -> None:
    start_node("camera_node.py", "eye", camera=webcam, calibration=calibration, frame="wrist_optical")
    images, infos = listen("/eye/image_raw"), listen("/eye/camera_info", CameraInfo)
    message, info = images.next("an image"), infos.next("a camera_info")
    assert image_from_message(message)[0, 0, 1:].tolist() == [20, 10] and message.encoding == "rgb8"
    assert (message.header.frame_id, info.header.frame_id) == ("wrist_optical", "wrist_optical")
    for read, true in zip(intrinsics_from_message(info), (LENS.K, LENS.distortion), strict=True):
        np.testing.assert_array_equal(read, true)
    assert (info.width, info.height, info.distortion_model) == (WIDTH, HEIGHT, "plumb_bob")
    wait_for("both of one exposure", lambda: images.stamps & infos.stamps)
    assert "/eye/depth/image_raw" not in dict(rospy.get_published_topics())


def test_a_camera_that_is_away_for_a_while_goes_on_afterwards(start_node, listen, webcam: Path, pictures: Path) -> None:
    node = start_node("camera_node.py", "unplugged", camera=webcam)
    images = listen("/unplugged/image_raw")
    images.next("an image")
    away = pictures.rename(pictures.with_name("away"))
    wait_for("the loss", lambda: "it is opened again as soon as it is there" in node.log.read_text())
    count = len(images.came)
    away.rename(pictures)
    wait_for("pictures again", lambda: len(images.came) > count + 45)
    assert node.poll() is None and f"{webcam} is back" in node.log.read_text()
    assert "no intrinsics" in node.log.read_text() and "Traceback" not in node.log.read_text()


def test_nothing_is_asked_of_the_camera_while_nobody_listens(start_node, listen, webcam: Path) -> None:
    """Who asks for pictures notices that they end after two seconds."""
    unheard = start_node("camera_node.py", "unheard", camera=webcam)
    wait_for("the camera", lambda: "is published on /unheard/image_raw" in unheard.log.read_text())
    heard = start_node("camera_node.py", "heard", camera=webcam)
    listen("/heard/image_raw")
    wait_for("the end of the pictures", lambda: "opened again" in heard.log.read_text())
    assert "opened again" not in unheard.log.read_text()
    listen("/unheard/image_raw").next("an image")


def test_recording_takes_the_camera_by_its_topics(start_node, listen, webcam: Path, calibration: Path) -> None:
    start_node("camera_node.py", "shared", camera=webcam, calibration=calibration)
    listen("/shared/image_raw").next("an image")  # somebody else listens, too
    settings = RosTopicSettings(image="/shared/image_raw", camera_info="/shared/camera_info")
    with open_camera(settings) as camera:
        asked = rospy.get_time()
        frame = camera.frame_after(asked, 30)
        assert frame.stamp > asked and frame.image[0, 0, 1:].tolist() == [20, 10]
        np.testing.assert_array_equal(camera.intrinsics.K, LENS.K)


def test_a_realsense_has_depth_of_the_images_stamp(start_node, listen, tmp_path: Path) -> None:
    pytest.importorskip("pyrealsense2")
    sys.path.append(str(Path(__file__).parents[1] / "capture/cameras"))
    from realsense_recording import DEPTH_UNITS, lens, record

    shape = HEIGHT, WIDTH
    colour = np.full((30, *shape, 3), (200, 100, 50), np.uint8)
    of_both = lens(shape)
    record(tmp_path / "table.db3", colour, np.full((30, *shape), round(0.6 / DEPTH_UNITS), np.uint16), of_both, of_both)
    camera = tmp_path / "realsense.yaml"
    camera.write_text(f"kind: realsense\nfile: {tmp_path}/table.db3\n")
    start_node("camera_node.py", "deep", camera=camera)
    images, infos = listen("/deep/image_raw"), listen("/deep/camera_info", CameraInfo)
    depths = listen("/deep/depth/image_raw")
    message = depths.next("depth")
    wait_for("its image", lambda: message.header.stamp in images.stamps)
    assert message.encoding == "32FC1" and message.header.frame_id == "camera_optical_frame"
    assert np.median(depth_from_message(message)) == pytest.approx(0.6, abs=1e-3)
    assert infos.next("a camera_info").K[0] == pytest.approx(of_both.fx)


@pytest.mark.parametrize(
    ("camera", "calibration", "said"),
    [
        ("no_such", "", "there is no file 'no_such', and none of that name among config/cameras: .*webcam"),
        ("simulated", "", "simulated: is on ROS topics already: give perception its topic, image:=/camera/image_raw"),
        ("webcam", "", "/dev/video0: no such camera"),
        ("webcam", "nowhere.yaml", "nowhere.yaml"),
    ],
)
def test_what_it_cannot_start_with_is_one_line(ros: None, camera: str, calibration: str, said: str) -> None:
    if camera == "webcam" and not calibration and os.path.exists("/dev/video0"):
        pytest.skip("there is a camera here")
    arguments = [f"_camera:={camera}", f"_calibration:={calibration}"]
    ended = subprocess.run(
        ["rosrun", "lds_scenes", "camera_node.py", "__name:=refused", *arguments],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    told = ended.stdout + ended.stderr
    assert ended.returncode == 1 and "Traceback" not in told
    (line,) = [line for line in told.splitlines() if "camera_node cannot run" in line]
    assert re.search(said, line), line


def test_perception_of_a_camera_that_no_driver_publishes(
    listen, webcam: Path, calibration: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    arguments = [f"camera:={webcam}", f"calibration:={calibration}", f"weights:={tiny_weights}"]
    with (tmp_path / "log").open("wb") as log:
        command = ["roslaunch", "lds_scenes", "perception.launch", *arguments]
        launch = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        labels = listen("/segmentation/label")
        assert labels_from_message(labels.next("a label")).shape == (HEIGHT, WIDTH)
        assert listen("/camera/camera_info", CameraInfo).next("a camera_info").K[0] == LENS.K[0, 0]
    finally:
        launch.send_signal(signal.SIGINT)
        launch.wait(PATIENCE)
        for node in ("/segmentation", "/camera"):
            rospy.delete_param(node)  # roslaunch leaves it to the next node of this name
