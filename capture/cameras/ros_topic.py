"""A camera behind ROS topics: images, and where there are any, camera_info, aligned depth and a simulation's masks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import numpy as np
from sensor_msgs.msg import CameraInfo, Image

from capture.cameras.camera import Camera, Frame, Intrinsics
from capture.cameras.settings import RosTopicSettings
from capture.errors import CameraError, CameraLost, CameraSilent
from lds_ros.arrivals import Arrival, Arrivals
from lds_ros.messages import depth_from_message, image_from_message, intrinsics_from_message, labels_from_message

Content = TypeVar("Content")


class RosTopicCamera(Camera):
    """Needs rospy.init_node first. Stamps are ROS time; timeouts are seconds on the wall."""

    kind = RosTopicSettings.kind

    def __init__(self, settings: RosTopicSettings) -> None:
        self.serial = settings.serial
        self._settings = settings
        self._intrinsics: Intrinsics | None = None
        self._changed = threading.Condition()
        self._topics: list[Arrivals] = []

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

    def _first_complete(self, stamp: float) -> tuple[Arrival, dict[str, Arrival]] | None:
        """The first image after `stamp` that has all its companions, and these."""
        for image in self._images.newest:
            if image.stamp > stamp and not self._clock_problem(image):
                found = {part: self._companion(topic, image) for part, topic in self._companions.items()}
                parts = {part: arrival for part, arrival in found.items() if arrival is not None}
                if len(parts) == len(found):
                    return image, parts
        return None

    def _subscribe(self, name: str, kind: type[Image | CameraInfo]) -> Arrivals:
        self._topics.append(Arrivals(name, kind, self._changed))
        return self._topics[-1]

    def _companion(self, topic: Arrivals, image: Arrival) -> Arrival | None:
        """The message of `topic` that belongs to an image: of the same stamp, or nearest within half a frame."""
        if not topic.newest:
            return None
        nearest = min(topic.newest, key=lambda arrival: abs(arrival.stamp - image.stamp))
        return nearest if abs(nearest.stamp - image.stamp) <= self._images.period / 2 else None

    def _frame(self, image: Arrival, parts: dict[str, Arrival]) -> Frame:
        pixels = _read(self._images, image, image_from_message)
        depth = truth = None
        if "depth" in parts:
            self._check_frames(image, parts["depth"])
            depth = _read(self._companions["depth"], parts["depth"], depth_from_message)
        if "masks" in parts:
            truth = _read(self._companions["masks"], parts["masks"], _instance_ids)
        for part, picture in (("depth", depth), ("masks", truth)):
            if picture is not None and picture.shape != pixels.shape[:2]:
                height, width = picture.shape
                raise CameraError(
                    f"{self._companions[part].name}: {width} x {height} pixels are not aligned to the image's "
                    f"{pixels.shape[1]} x {pixels.shape[0]}; name the topic that the driver aligns to colour"
                )
        return Frame(pixels, image.stamp, depth, truth)

    def _check_frames(self, image: Arrival, depth: Arrival) -> None:
        """Raises CameraError where the two name different frames: depth as its own camera sees it, of whatever size."""
        ours, other = (arrival.message.header.frame_id.strip("/") for arrival in (image, depth))
        if ours and other and ours != other:
            raise CameraError(
                f"{self._companions['depth'].name}: is in the frame {other}, and the images are in {ours}: it is not "
                "aligned to them; name the topic that the driver aligns to colour"
            )

    def _read_intrinsics(self, topic: Arrivals, width: int, height: int) -> Intrinsics | None:
        with self._changed:
            if not self._changed.wait_for(lambda: topic.newest, self._settings.startup):
                reason = topic.silence().reason
                raise CameraError(f"{topic.name}: no camera_info: {reason}; or leave camera_info out of the settings")
        newest = topic.newest[-1]
        lens = _read(topic, newest, partial(intrinsics_from_message, rectified=self._settings.rectified))
        if lens is None:
            return None
        info, (K, distortion) = newest.message, lens
        if (info.width, info.height) != (width, height):
            raise CameraError(
                f"{topic.name}: is of images of {info.width} x {info.height} pixels, and those on "
                f"{self._images.name} have {width} x {height}: calibrate again at this size"
            )
        return Intrinsics(K, distortion, width, height)

    def _clock_problem(self, image: Arrival) -> str | None:
        return image.clock_problem(self._settings.max_delay)

    def _no_frame(self, stamp: float, timeout: float, count: int) -> CameraError:
        """Why no frame was found: what came instead, if anything."""
        images, asked = self._images, f"no frame within {timeout:g} s: "
        if not count:
            silence = images.silence()
            kind = CameraSilent if silence.has_publisher else CameraLost
            return kind(f"{images.name}: {asked}{silence.reason}")
        newest = images.newest[-1]
        if problem := self._clock_problem(newest):
            return CameraError(f"{images.name}: {asked}{problem}")
        if newest.stamp <= stamp:
            return CameraError(
                f"{images.name}: {asked}{count} images came, and the newest is stamped {stamp - newest.stamp:.2f} s "
                f"before the asked time; it came {newest.delay:.2f} s after its stamp"
            )
        return CameraError(f"{images.name}: {asked}{self._missing_companion(newest)}")

    def _missing_companion(self, image: Arrival) -> str:
        for part, topic in self._companions.items():
            if not topic.newest:
                return f"its {part} is missing: {topic.name}: {topic.silence().reason}"
            if self._companion(topic, image) is None:
                apart = topic.newest[-1].stamp - image.stamp
                return (
                    f"its {part} is missing: the newest on {topic.name} is stamped {apart:+.3f} s from the newest "
                    "image; they must be of one exposure (realsense2_camera: enable_sync)"
                )
        return "the last frame was completed too late; ask for more time"


def _read(topic: Arrivals, arrival: Arrival, convert: Callable[[Any], Content]) -> Content:
    """The content of a topic's message. Raises CameraError where it does not do."""
    try:
        return convert(arrival.message)
    except ValueError as error:
        raise CameraError(f"{topic.name}: {error}") from error


def _instance_ids(message: Image) -> np.ndarray:
    labels = labels_from_message(message)
    if labels.min() < 0 or labels.max() > 255:
        raise ValueError(f"instance ids must lie in 0 to 255, and these go from {labels.min()} to {labels.max()}")
    return labels.astype(np.uint8)
