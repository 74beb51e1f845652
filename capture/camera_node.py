#!/usr/bin/env python3
"""Opens a camera and publishes what it sees, for perception where no other driver runs. A lost camera is opened anew.

Publishes: ~image_raw (sensor_msgs/Image, rgb8), ~camera_info (the calibrated lens, else what the camera tells of it;
    never where neither is known) and, where the camera has depth, ~depth/image_raw (32FC1, aligned to the image), all
    with the stamp of the exposure. While nobody listens the camera stays open, and nothing is asked of it.
Parameters: ~camera (a name from config/cameras, or a YAML file), ~calibration (a YAML file of `lds capture calibrate`;
    empty: none), ~frame (the camera's optical frame).
"""

from __future__ import annotations

import math
import sys
import time

import rospy
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from capture.arms.arm import Interrupted
from capture.calibration.calibration import Calibration, problems
from capture.calibration.named_calibration import find_calibration
from capture.cameras.camera import Camera, Frame
from capture.cameras.opening import open_camera
from capture.cameras.reopening import reopen
from capture.cameras.settings import RosTopicSettings, load_camera
from capture.errors import CameraError, CameraLost, CameraSilent, CaptureError
from lds_ros.messages import camera_info_message, depth_message, image_message
from lds_ros.nodes import required_parameter, run_node

FIRST_FRAME = 5.0  # seconds that the camera may take to give one
PATIENCE = 2.0  # seconds without a frame after which a camera hangs
IDLE = 0.05  # seconds between two looks whether somebody listens
REPEAT = 30.0  # seconds between two warnings of the same kind in the log


class CameraNode:
    """Raises CameraError where the open camera gives no frame."""

    def __init__(self, name: str, camera: Camera, calibration: Calibration) -> None:
        self._name, self._camera = name, camera
        self._optical_frame = str(rospy.get_param("~frame", "camera_optical_frame"))
        first = camera.frame_after(0.0, FIRST_FRAME)
        self._lens = calibration.lens(camera.intrinsics)
        self._image = rospy.Publisher("~image_raw", Image, queue_size=2)
        self._info = rospy.Publisher("~camera_info", CameraInfo, queue_size=2)
        has_depth = first.depth is not None
        self._depth = rospy.Publisher("~depth/image_raw", Image, queue_size=2) if has_depth else None
        self._outputs = [output for output in (self._image, self._info, self._depth) if output is not None]
        height, width = first.image.shape[:2]
        self._tell(calibration, width, height)

    def run(self) -> None:
        """Publish frames until the node is shut down. Raises Interrupted where that is while the camera is away."""
        newest = 0.0
        while not rospy.is_shutdown():
            if not any(output.get_num_connections() for output in self._outputs):
                time.sleep(IDLE)
                continue
            try:
                frame = self._camera.frame_after(newest, PATIENCE)
            except (CameraLost, CameraSilent) as error:
                self._reopen(error)
            except CameraError as error:
                rospy.logwarn_throttle(REPEAT, str(error))
                newest = 0.0  # where the clock was set back, nothing that comes is newer
            else:
                newest = frame.stamp
                self._publish(frame)

    def _tell(self, calibration: Calibration, width: int, height: int) -> None:
        """What is published, and what speaks against the calibration."""
        told, serial = calibration.intrinsics is None and self._lens is not None, self._camera.serial
        for problem in problems(calibration, None, serial, (width, height), time.time(), told):
            rospy.logwarn("%s: %s", self._name, problem)
        what = f"{self._name} (serial '{serial}'), {width} x {height} pixels"
        rospy.loginfo("%s, is published on %s", what, self._image.resolved_name)

    def _reopen(self, error: CameraError) -> None:
        rospy.logwarn("%s; it is opened again as soon as it is there", error)
        reopen(self._camera, math.inf, rospy.is_shutdown)
        rospy.loginfo("%s is back", self._name)

    def _publish(self, frame: Frame) -> None:
        header = Header(stamp=rospy.Time.from_sec(frame.stamp), frame_id=self._optical_frame)
        if (lens := self._lens) is not None:
            self._info.publish(camera_info_message(lens.K, lens.height, lens.width, header, lens.distortion))
        if self._depth is not None and frame.depth is not None and self._depth.get_num_connections():
            self._depth.publish(depth_message(frame.depth, header))
        self._image.publish(image_message(frame.image, header))


def run() -> None:
    """Raises CaptureError where camera or calibration do not do, MissingParameter without ~camera."""
    name, calibration = str(required_parameter("~camera")), str(rospy.get_param("~calibration", ""))
    settings = load_camera(name)
    if isinstance(settings, RosTopicSettings):
        raise CameraError(f"{name}: is on ROS topics already: give perception its topic, image:={settings.image}")
    known = find_calibration(calibration) if calibration else Calibration()
    with open_camera(settings) as camera:
        CameraNode(name, camera, known).run()


def main() -> int:
    return run_node("camera", run, CaptureError, Interrupted, ends_with_roscore=True)


if __name__ == "__main__":
    sys.exit(main())
