"""What a camera is set to: the files `config/cameras/*.yaml`, checked."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import ClassVar

from capture.quality import QualityLimits
from capture.settings_file import read_mapping, require, settings_file, settings_of


@dataclass(frozen=True)
class RosTopicSettings:
    """Any camera that a ROS driver publishes.

    Attributes:
        image: topic of sensor_msgs/Image.
        camera_info: topic of sensor_msgs/CameraInfo; None: the camera says nothing of its lens.
        rectified: the images are rectified already (image_proc's image_rect): without distortion, with camera_info's P.
        depth: topic of depth images (16UC1 or 32FC1) aligned to the image; None: without depth.
        masks: topic of instance ids (32SC1), where a simulation tells them; None: without.
        serial: what tells this camera from others of its model, since a topic does not say.
        startup: seconds that the first complete frame may take.
        max_delay: seconds from a frame's stamp to its arrival, above which the clocks are taken to differ.
        quality: what its frames must keep to.
    """

    kind: ClassVar[str] = "ros_topic"
    image: str = "/camera/image_raw"
    camera_info: str | None = None
    rectified: bool = False
    depth: str | None = None
    masks: str | None = None
    serial: str = ""
    startup: float = 10.0
    max_delay: float = 1.0
    quality: QualityLimits = field(default_factory=QualityLimits)

    def __post_init__(self) -> None:
        _positive(self, "startup", "max_delay")
        for key in ("image", "camera_info", "depth", "masks"):
            topic = getattr(self, key)
            if topic is not None and not re.fullmatch(r"[~/A-Za-z][\w/]*", topic):
                raise ValueError(f"{key}: '{topic}' is no name of a topic")


@dataclass(frozen=True)
class WebcamSettings:
    """A V4L2 camera, or a video file or PNG sequence in its place.

    Attributes:
        device: /dev/video0, better /dev/v4l/by-id/...; or a file to play: clip.mp4, frames/%04d.png.
        width, height: pixels. A file has its own.
        fps: frames a second.
        exposure: in the driver's unit (UVC: 0.1 ms); None: what auto exposure reaches while warming up, locked there.
        focus: in the driver's unit; None: what auto focus reaches, locked there.
        white_balance: kelvin; None: what auto white balance reaches, locked there.
        warm_up: seconds that the automatics have to settle.
        latency: seconds from the exposure of a frame to its arrival in this program.
        quality: what its frames must keep to.
    """

    kind: ClassVar[str] = "webcam"
    device: str = "/dev/video0"
    width: int = 640
    height: int = 480
    fps: float = 30.0
    exposure: float | None = None
    focus: float | None = None
    white_balance: float | None = None
    warm_up: float = 2.0
    latency: float = 0.1
    quality: QualityLimits = field(default_factory=QualityLimits)

    def __post_init__(self) -> None:
        _positive(self, "width", "height", "fps")
        _positive(self, "warm_up", "latency", or_zero=True)


@dataclass(frozen=True)
class RealSenseSettings:
    """An Intel RealSense with colour and depth, or a recording of one in its place.

    Attributes:
        serial: of the camera; empty: the only one that is connected.
        file: a recording (.db3) to play in place of a camera; None: a camera.
        width, height, fps: of colour and of depth. A recording has its own.
        exposure: of the colour sensor, 0.1 ms; None: what auto exposure reaches while warming up, locked there.
        white_balance: kelvin; None: what auto white balance reaches, locked there.
        warm_up: seconds that the automatics have to settle.
        startup: seconds that the camera may take to appear and to give its first frame.
        quality: what its frames must keep to.
    """

    kind: ClassVar[str] = "realsense"
    serial: str = ""
    file: str | None = None
    width: int = 640
    height: int = 480
    fps: int = 30
    exposure: float | None = None
    white_balance: float | None = None
    warm_up: float = 1.0
    startup: float = 10.0
    quality: QualityLimits = field(default_factory=QualityLimits)

    def __post_init__(self) -> None:
        _positive(self, "width", "height", "fps", "startup")
        _positive(self, "warm_up", or_zero=True)


CameraSettings = RosTopicSettings | WebcamSettings | RealSenseSettings
KINDS: dict[str, type[CameraSettings]] = {
    kind.kind: kind for kind in (RosTopicSettings, WebcamSettings, RealSenseSettings)
}


def load_camera(name_or_path: str) -> CameraSettings:
    """Read the settings of a camera: a name from config/cameras, or a YAML file.

    Raises:
        SettingsError: there is no such camera, a key is unknown, or a value does not fit; names the file and the key.
    """
    file = settings_file("cameras", name_or_path)
    given = read_mapping(file)
    kind = str(given.pop("kind", None))
    require(kind in KINDS, file, f"kind is '{kind}'; choose from {', '.join(KINDS)}")
    known = [entry.name for entry in fields(KINDS[kind])]
    for key in map(str, given):
        require(key in known, file, f"a {kind} camera has no setting '{key}'; there are {', '.join(known)}")
    return settings_of(KINDS[kind], given, file)


def _positive(settings: object, *names: str, or_zero: bool = False) -> None:
    for name in names:
        value = getattr(settings, name)
        if not (0 < value < float("inf") or (or_zero and value == 0)):
            raise ValueError(f"{name} must be {'0 or more' if or_zero else 'more than 0'}, got {value}")
