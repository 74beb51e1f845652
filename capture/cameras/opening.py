"""From settings to the camera that they describe."""

from __future__ import annotations

from importlib import import_module

from capture.cameras.camera import Camera
from capture.cameras.settings import CameraSettings
from capture.errors import CameraError

# Kind -> where its class is, and what it needs. Loaded when it is used, since not everyone has every library.
_CLASSES = {
    "ros_topic": ("capture.cameras.ros_topic", "RosTopicCamera", "ROS: start with ./run"),
    "webcam": ("capture.cameras.webcam", "Webcam", "pip install opencv-python-headless"),
    "realsense": ("capture.cameras.realsense", "RealSense", "pip install pyrealsense2"),
}


def open_camera(settings: CameraSettings) -> Camera:
    """The camera of these settings, to be opened by `with`. A camera on a ROS topic needs rospy.init_node first.

    Raises:
        CameraError: the library that this kind of camera needs is not installed.
    """
    module, name, remedy = _CLASSES[settings.kind]
    try:
        camera = getattr(import_module(module), name)
    except ImportError as error:
        raise CameraError(f"a {settings.kind} camera cannot be used here: {error}; it needs {remedy}") from error
    return camera(settings)
