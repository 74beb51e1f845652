"""A camera behind ROS topics: images, and where there are any, camera_info, aligned depth and a simulation's masks."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import rospy
from sensor_msgs.msg import CameraInfo, Image

from capture.cameras.camera import Camera, Frame, Intrinsics
from capture.cameras.settings import RosTopicSettings
from capture.errors import CameraError, CameraLost
from lds_ros.messages import depth_from_message, image_from_message, intrinsics_from_message, labels_from_message
from lds_ros.publishers import Silence, explain_silence

BUFFER = 2**24  # bytes; a buffer smaller than a frame makes rospy work through old frames
KEPT = 16  # messages of each topic: about a second of a slow camera
AHEAD = 0.05  # seconds that a stamp may lie in the future: what clocks that agree may differ by


class RosTopicCamera(Camera):
    """Needs rospy.init_node first. Stamps are ROS time; timeouts are seconds on the wall."""

    kind = RosTopicSettings.kind

    def __init__(self, settings: RosTopicSettings) -> None:
        self.serial = settings.serial
        self._settings = settings
        self._intrinsics: Intrinsics | None = None
        self._changed = threading.Condition()
        self._topics: list[_Topic] = []

    def __enter__(self) -> RosTopicCamera:
        settings = self._settings
        companions = {"depth": settings.depth, "masks": settings.masks}
        try:
            self._images = self._subscribe(settings.image, Image)
            self._companions = {part: self._subscribe(name, Image) for part, name in companions.items() if name}
            info = self._subscribe(settings.camera_info, CameraInfo) if settings.camera_info else None
            height, width = self.frame_after(0.0, settings.startup).image.shape[:2]
            self._intrinsics = None if info is None else self._read_intrinsics(info, width, height)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        while self._topics:
            self._topics.pop().close()

    @property
    def intrinsics(self) -> Intrinsics | None:
        return self._intrinsics

    def frame_after(self, stamp: float, timeout: float) -> Frame:
        deadline, before = time.monotonic() + timeout, self._images.count
        with self._changed:
            while (found := self._first_complete(stamp)) is None:
                if not self._changed.wait(deadline - time.monotonic()):
                    break
        if found is None:
            raise self._no_frame(stamp, timeout, self._images.count - before)
        return self._frame(*found)

    def _first_complete(self, stamp: float) -> tuple[_Arrival, dict[str, _Arrival]] | None:
        """The first image after `stamp` that has all its companions, and these."""
        for image in self._images.arrivals:
            if image.stamp > stamp and not self._clock_problem(image):
                parts = {part: self._companion(topic, image) for part, topic in self._companions.items()}
                if all(parts.values()):
                    return image, parts
        return None

    def _subscribe(self, name: str, kind: type) -> _Topic:
        self._topics.append(_Topic(name, kind, self._changed))
        return self._topics[-1]

    def _companion(self, topic: _Topic, image: _Arrival) -> _Arrival | None:
        """The message of `topic` that belongs to an image: of the same stamp, or nearest within half a frame."""
        if not topic.arrivals:
            return None
        nearest = min(topic.arrivals, key=lambda arrival: abs(arrival.stamp - image.stamp))
        return nearest if abs(nearest.stamp - image.stamp) <= self._images.period / 2 else None

    def _frame(self, image: _Arrival, parts: dict[str, _Arrival]) -> Frame:
        pixels = self._images.read(image, image_from_message)
        depth = truth = None
        if "depth" in parts:
            depth = self._companions["depth"].read(parts["depth"], depth_from_message)
        if "masks" in parts:
            truth = self._companions["masks"].read(parts["masks"], _instance_ids)
        for part, picture in (("depth", depth), ("masks", truth)):
            if picture is not None and picture.shape != pixels.shape[:2]:
                height, width = picture.shape
                raise CameraError(
                    f"{self._companions[part].name}: {width} x {height} pixels are not aligned to the image's "
                    f"{pixels.shape[1]} x {pixels.shape[0]}; name the topic that the driver aligns to colour"
                )
        return Frame(pixels, image.stamp, depth, truth)

    def _read_intrinsics(self, topic: _Topic, width: int, height: int) -> Intrinsics | None:
        with self._changed:
            if not self._changed.wait_for(lambda: topic.arrivals, self._settings.startup):
                reason = topic.silence().reason
                raise CameraError(f"{topic.name}: no camera_info: {reason}; or leave camera_info out of the settings")
        info = topic.arrivals[-1].message
        lens = topic.read(topic.arrivals[-1], lambda info: intrinsics_from_message(info, self._settings.rectified))
        if lens is None:
            return None
        if (info.width, info.height) != (width, height):
            raise CameraError(
                f"{topic.name}: is of images of {info.width} x {info.height} pixels, and those on "
                f"{self._images.name} have {width} x {height}: calibrate again at this size"
            )
        return Intrinsics(*lens, width, height)

    def _clock_problem(self, image: _Arrival) -> str | None:
        """Why an image's stamp cannot be the time of its exposure, on this computer's clock."""
        if not image.stamp:
            return "its images have no stamp (0): set the driver to stamp them, or use another driver"
        if image.delay < -AHEAD:
            return (
                f"its images are stamped {-image.delay:.2f} s in the future: the camera's computer has another clock; "
                "synchronise both (chrony), and set use_sim_time on all nodes or on none"
            )
        if image.delay > self._settings.max_delay:
            return (
                f"its images are stamped {image.delay:.2f} s before they come: the camera's computer has another clock "
                "(synchronise both with chrony), or the way here is too slow (lower the camera's rate or size); "
                f"max_delay is {self._settings.max_delay:g} s"
            )
        return None

    def _no_frame(self, stamp: float, timeout: float, count: int) -> CameraError:
        """Why no frame was found: what came instead, if anything."""
        images, asked = self._images, f"no frame within {timeout:g} s: "
        if not count:
            silence = images.silence()
            kind = CameraError if silence.has_publisher else CameraLost
            return kind(f"{images.name}: {asked}{silence.reason}")
        newest = images.arrivals[-1]
        if problem := self._clock_problem(newest):
            return CameraError(f"{images.name}: {asked}{problem}")
        if newest.stamp <= stamp:
            return CameraError(
                f"{images.name}: {asked}{count} images came, and the newest is stamped {stamp - newest.stamp:.2f} s "
                f"before the asked time; it came {newest.delay:.2f} s after its stamp"
            )
        return CameraError(f"{images.name}: {asked}{self._missing_companion(newest)}")

    def _missing_companion(self, image: _Arrival) -> str:
        for part, topic in self._companions.items():
            if not topic.arrivals:
                return f"its {part} is missing: {topic.name}: {topic.silence().reason}"
            if self._companion(topic, image) is None:
                apart = topic.arrivals[-1].stamp - image.stamp
                return (
                    f"its {part} is missing: the newest on {topic.name} is stamped {apart:+.3f} s from the newest "
                    "image; they must be of one exposure (realsense2_camera: enable_sync)"
                )
        return "the last frame was completed too late; ask for more time"


@dataclass(frozen=True)
class _Arrival:
    """A message, its stamp, and how long after it the message came (seconds)."""

    message: Any
    stamp: float
    delay: float


class _Topic:
    """The newest messages of a topic, oldest first; `count` of them came so far."""

    def __init__(self, name: str, kind: type, changed: threading.Condition) -> None:
        self.name = rospy.resolve_name(name)
        self._arrivals: deque[_Arrival] = deque(maxlen=KEPT)
        self.count = 0
        self._type, self._changed = kind._type, changed
        self._subscriber = rospy.Subscriber(self.name, kind, self._receive, queue_size=1, buff_size=BUFFER)

    def _receive(self, message: Any) -> None:
        stamp = message.header.stamp.to_sec()
        with self._changed:
            self._arrivals.append(_Arrival(message, stamp, rospy.get_time() - stamp))
            self.count += 1
            self._changed.notify_all()

    @property
    def arrivals(self) -> tuple[_Arrival, ...]:
        return tuple(self._arrivals)

    @property
    def period(self) -> float:
        """Seconds between two frames; 0 while it is unknown."""
        stamps = [arrival.stamp for arrival in self.arrivals]
        return float(np.median(np.diff(stamps))) if len(stamps) > 2 else 0.0

    def read(self, arrival: _Arrival, convert: Callable[[Any], Any]) -> Any:
        """The content of a message. Raises CameraError where it does not do."""
        try:
            return convert(arrival.message)
        except ValueError as error:
            raise CameraError(f"{self.name}: {error}") from error

    def silence(self) -> Silence:
        """Why nothing comes, and what to do."""
        return explain_silence(self.name, self._type)

    def close(self) -> None:
        self._subscriber.unregister()


def _instance_ids(message: Image) -> np.ndarray:
    labels = labels_from_message(message)
    if labels.min() < 0 or labels.max() > 255:
        raise ValueError(f"instance ids must lie in 0 to 255, and these go from {labels.min()} to {labels.max()}")
    return labels.astype(np.uint8)
