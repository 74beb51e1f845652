"""The camera on ROS topics, as a recorder meets it: drivers that are silent, late, frozen, half there, or gone."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from processes import wait_for

pytest.importorskip("lds_scenes.msg", reason="the ROS messages are not built: run the tests with ./run test")

import rospy
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from capture.cameras.camera import Frame
from capture.cameras.ros_topic import RosTopicCamera
from capture.cameras.settings import RosTopicSettings
from capture.errors import CameraError, CameraLost
from capture.quality import QualityCheck
from lds_ros.messages import camera_info_message, depth_message, image_message, label_message

HEIGHT, WIDTH, PERIOD = 24, 32, 0.03
SOME = 2.0  # seconds in which some images come, from a busy machine, too
K = np.array([[40.0, 0, 15.5], [0, 41.0, 11.5], [0, 0, 1]])

pytestmark = pytest.mark.usefixtures("ros")


class Driver:
    """Publishes frames at a steady rate. What it publishes, and how it stamps, can be changed while it runs.

    The first pixel of a frame counts frames (mod 200), as do depth (in centimetres) and masks.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.offset = 0.0  # seconds added to every stamp
        self.companion_offset = 0.0
        self.depth_frame = "camera"
        self.unstamped = self.frozen = False
        self.muted: set[str] = set()
        self.encoding = "rgb8"
        self.labels = np.zeros((HEIGHT, WIDTH), np.int32)
        self._publishers = {
            part: rospy.Publisher(f"{name}/{part}", kind, queue_size=1, latch=False)
            for part, kind in {"image": Image, "depth": Image, "masks": Image, "camera_info": CameraInfo}.items()
        }
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        count = 50
        while not self._ended.wait(PERIOD):
            count = (count + (not self.frozen)) % 200
            now = rospy.Time.now() + rospy.Duration.from_sec(self.offset)
            header = Header(stamp=rospy.Time() if self.unstamped else now, frame_id="camera")
            beside = Header(stamp=header.stamp + rospy.Duration.from_sec(self.companion_offset), frame_id="camera")
            picture = np.full((HEIGHT, WIDTH, 3), count, np.uint8)
            self._publish("image", image_message(picture, header))
            depth_header = Header(stamp=beside.stamp, frame_id=self.depth_frame)
            self._publish("depth", depth_message(np.full((HEIGHT, WIDTH), count / 100, np.float32), depth_header))
            self._publish("masks", label_message(self.labels, beside))
            self._publish("camera_info", camera_info_message(K, HEIGHT, WIDTH, header))

    def _publish(self, part: str, message: Image | CameraInfo) -> None:
        if part == "image":
            message.encoding = self.encoding
        if part not in self.muted:
            self._publishers[part].publish(message)

    def end(self) -> None:
        if not self._ended.is_set():
            self._ended.set()
            self._thread.join()
            for publisher in self._publishers.values():
                publisher.unregister()

    def settings(self, **others: object) -> RosTopicSettings:
        return RosTopicSettings(image=f"{self.name}/image", **{"startup": 10.0, **others})

    def full_settings(self) -> RosTopicSettings:
        parts = {part: f"{self.name}/{part}" for part in ("depth", "masks", "camera_info")}
        return self.settings(**parts)


@pytest.fixture
def driver(request: pytest.FixtureRequest) -> Iterator[Driver]:
    name = "".join(letter for letter in request.node.name if letter.isalnum() or letter == "_")
    made = Driver(f"/{name}")
    yield made
    made.end()


def error_of(call: Callable[[], object], kind: type[CameraError] = CameraError) -> str:
    """The one line that a call fails with."""
    with pytest.raises(kind) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_frames_come_whole_with_depth_truth_and_intrinsics(driver: Driver) -> None:
    driver.labels[3:5] = 7
    with RosTopicCamera(driver.full_settings()) as camera:
        asked = rospy.get_time()
        frame = camera.frame_after(asked, 5.0)
        lens = camera.intrinsics
    assert frame.stamp > asked
    assert (frame.image.shape, frame.image.dtype) == ((HEIGHT, WIDTH, 3), np.uint8)
    np.testing.assert_allclose(frame.depth, frame.image[..., 0] / 100, rtol=1e-6)  # of the same exposure
    assert frame.truth.dtype == np.uint8 and set(np.unique(frame.truth)) == {0, 7}
    np.testing.assert_array_equal(lens.K, K)
    assert (lens.width, lens.height, lens.distortion.tolist()) == (WIDTH, HEIGHT, [0] * 5)


def test_frames_follow_one_another_without_a_gap(driver: Driver) -> None:
    with RosTopicCamera(driver.settings()) as camera:
        frames = [camera.frame_after(rospy.get_time(), 5.0)]
        for _ in range(4):
            frames.append(camera.frame_after(frames[-1].stamp, 5.0))
    counts = [int(frame.image[0, 0, 0]) for frame in frames]
    assert np.all(np.diff(counts) % 200 >= 1)
    assert np.all(np.diff([frame.stamp for frame in frames]) > 0)


def test_a_frame_that_came_a_moment_ago_is_still_there(driver: Driver) -> None:
    with RosTopicCamera(driver.settings()) as camera:
        first = camera.frame_after(rospy.get_time(), 5.0)
        camera.frame_after(first.stamp + 3 * PERIOD, 5.0)
        again = camera.frame_after(first.stamp - PERIOD / 2, 5.0)
    assert again.stamp <= first.stamp


def test_depth_within_half_a_frame_belongs_to_the_image(driver: Driver) -> None:
    driver.companion_offset = PERIOD / 5
    with RosTopicCamera(driver.settings(depth=f"{driver.name}/depth")) as camera:
        frame = camera.frame_after(rospy.get_time(), 5.0)
    np.testing.assert_allclose(frame.depth, frame.image[..., 0] / 100, rtol=1e-6)


def test_a_topic_that_nobody_publishes_is_told_with_those_that_are(driver: Driver) -> None:
    settings = RosTopicSettings(image="/no_such_camera/image", startup=0.5)
    error = error_of(lambda: RosTopicCamera(settings).__enter__())
    assert "/no_such_camera/image" in error and "nobody publishes it" in error and f"{driver.name}/image" in error


def test_a_publisher_that_is_silent_is_told(driver: Driver) -> None:
    driver.muted.add("image")
    error = error_of(lambda: RosTopicCamera(driver.settings(startup=1.0)).__enter__())
    assert "its node /tests is there, but silent" in error


def test_a_topic_of_another_type_is_told(driver: Driver) -> None:
    settings = RosTopicSettings(image=f"{driver.name}/camera_info", startup=0.5)
    error = error_of(lambda: RosTopicCamera(settings).__enter__())
    assert "sensor_msgs/CameraInfo" in error and "not sensor_msgs/Image" in error


def test_a_camera_that_stops_in_the_middle_is_told_and_works_when_it_goes_on(driver: Driver) -> None:
    with RosTopicCamera(driver.settings()) as camera:
        driver.muted.add("image")
        wait_for("silence", lambda: "but silent" in error_of(lambda: camera.frame_after(rospy.get_time(), 0.3)))
        driver.muted.clear()
        asked = rospy.get_time()
        assert camera.frame_after(asked, 5.0).stamp > asked


def test_a_camera_whose_node_ended_is_lost_and_can_be_opened_again(driver: Driver) -> None:
    with RosTopicCamera(driver.settings()) as camera:
        driver.end()
        wait_for("the loss", lambda: "nobody publishes" in error_of(lambda: camera.frame_after(rospy.get_time(), 0.3)))
        error_of(lambda: camera.frame_after(rospy.get_time(), 0.3), CameraLost)
    again = Driver(driver.name)
    try:
        with camera:
            asked = rospy.get_time()
            assert camera.frame_after(asked, 5.0).stamp > asked
    finally:
        again.end()


KILLED_DRIVER = """
import rospy
from sensor_msgs.msg import Image
rospy.init_node("killed_driver")
images = rospy.Publisher("/killed_driver/image", Image, queue_size=1)
message = Image(height=1, width=1, encoding="rgb8", step=3, data=bytes(3))
while not rospy.is_shutdown():
    message.header.stamp = rospy.Time.now()
    images.publish(message)
    rospy.sleep(0.03)
"""


def test_a_camera_whose_node_was_killed_is_lost() -> None:
    process = subprocess.Popen([sys.executable, "-c", KILLED_DRIVER])
    try:
        with RosTopicCamera(RosTopicSettings(image="/killed_driver/image", startup=30.0)) as camera:
            process.kill()
            process.wait()
            error = error_of(lambda: camera.frame_after(rospy.get_time() + 0.5, 1.0), CameraLost)
    finally:
        process.kill()
    assert "/killed_driver does not answer" in error


def striped(frame: Frame) -> Frame:
    """The frame with edges, as quality wants to see some."""
    image = frame.image.copy()
    image[:, WIDTH // 3 : 2 * WIDTH // 3] = 200
    return dataclasses.replace(frame, image=image)


def test_a_frozen_camera_is_told_once_it_has_moved(driver: Driver) -> None:
    quality, here, there = QualityCheck(), np.eye(4), np.eye(4)
    there[0, 3] = 0.14
    with RosTopicCamera(driver.settings()) as camera:
        driver.frozen = True
        time.sleep(3 * PERIOD)
        first, second = (striped(camera.frame_after(rospy.get_time(), 5.0)) for _ in range(2))
    assert not quality.check(first, here).reasons
    (reason,) = quality.check(second, there).reasons
    assert reason.startswith("frozen camera: pixel for pixel the picture of") and "moved by 14.0 cm" in reason


def test_stamps_from_the_future_are_refused(driver: Driver) -> None:
    with RosTopicCamera(driver.settings()) as camera:
        driver.offset = 3.0
        time.sleep(3 * PERIOD)
        error = error_of(lambda: camera.frame_after(rospy.get_time(), SOME))
    assert "in the future" in error and "chrony" in error and f"{driver.name}/image" in error


def test_old_stamps_are_refused(driver: Driver) -> None:
    driver.offset = -5.0
    error = error_of(lambda: RosTopicCamera(driver.settings(startup=SOME)).__enter__())
    assert "5.0" in error and "before they come" in error and "chrony" in error


def test_stamps_that_are_a_little_late_are_told_by_how_much(driver: Driver) -> None:
    driver.offset = -2 * SOME
    with RosTopicCamera(driver.settings(max_delay=60.0)) as camera:
        error = error_of(lambda: camera.frame_after(rospy.get_time(), SOME))
    assert "images came" in error and "after its stamp" in error


def test_images_without_stamp_are_refused(driver: Driver) -> None:
    driver.unstamped = True
    error = error_of(lambda: RosTopicCamera(driver.settings(startup=SOME)).__enter__())
    assert "no stamp" in error


@pytest.mark.parametrize("part", ["depth", "masks"])
def test_a_frame_without_its_companion_is_not_given_out(driver: Driver, part: str) -> None:
    with RosTopicCamera(driver.settings(**{part: f"{driver.name}/{part}"})) as camera:
        driver.muted.add(part)
        time.sleep(3 * PERIOD)
        error = error_of(lambda: camera.frame_after(rospy.get_time(), SOME))
        assert f"its {part} is missing" in error and f"{driver.name}/{part}" in error
        driver.muted.clear()
        asked = rospy.get_time()
        assert camera.frame_after(asked, 5.0).stamp > asked


def test_depth_out_of_step_is_told_by_how_much(driver: Driver) -> None:
    driver.companion_offset = -5.0
    settings = driver.settings(depth=f"{driver.name}/depth", startup=SOME)
    error = error_of(lambda: RosTopicCamera(settings).__enter__())
    assert "its depth is missing" in error and "is stamped -5." in error


def test_depth_of_another_frame_is_refused_although_its_size_fits(driver: Driver) -> None:
    driver.depth_frame = "camera_depth"
    settings = driver.settings(depth=f"{driver.name}/depth")
    error = error_of(lambda: RosTopicCamera(settings).__enter__())
    assert f"{driver.name}/depth: is in the frame camera_depth, and the images are in camera" in error
    assert "not aligned" in error


def test_depth_that_names_no_frame_is_taken(driver: Driver) -> None:
    driver.depth_frame = ""
    with RosTopicCamera(driver.settings(depth=f"{driver.name}/depth")) as camera:
        assert camera.frame_after(rospy.get_time(), 5.0).depth is not None


def test_a_missing_camera_info_is_told(driver: Driver) -> None:
    settings = driver.settings(camera_info=f"{driver.name}/nothing", startup=SOME)
    error = error_of(lambda: RosTopicCamera(settings).__enter__())
    assert f"{driver.name}/nothing" in error and "nobody publishes it" in error


def test_without_a_camera_info_topic_there_are_no_intrinsics(driver: Driver) -> None:
    with RosTopicCamera(driver.settings()) as camera:
        assert camera.intrinsics is None


def test_an_encoding_that_is_not_taken_is_told_with_its_topic(driver: Driver) -> None:
    driver.encoding = "yuv422"
    error = error_of(lambda: RosTopicCamera(driver.settings()).__enter__())
    assert f"{driver.name}/image" in error and "'yuv422'" in error


def test_instance_ids_that_do_not_fit_are_told(driver: Driver) -> None:
    driver.labels[0, 0] = 256
    error = error_of(lambda: RosTopicCamera(driver.settings(masks=f"{driver.name}/masks")).__enter__())
    assert f"{driver.name}/masks" in error and "256" in error
