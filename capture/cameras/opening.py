"""From settings to the camera that they describe."""

from __future__ import annotations

from capture.cameras.camera import Camera
from capture.cameras.settings import CameraSettings, RealSenseSettings, WebcamSettings


def open_camera(settings: CameraSettings) -> Camera:
    """The camera of these settings, to be opened by `with`. A camera on a ROS topic needs rospy.init_node first.

    Raises:
        CameraError: the library that this kind of camera needs is not installed.
    """
    if isinstance(settings, WebcamSettings):
        from capture.cameras.webcam import Webcam

        return Webcam(settings)
    if isinstance(settings, RealSenseSettings):
        from capture.cameras.realsense import RealSense

        return RealSense(settings)
    from capture.cameras.ros_topic import RosTopicCamera

    return RosTopicCamera(settings)
