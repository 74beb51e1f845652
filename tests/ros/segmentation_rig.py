"""What the segmentation node's tests share: a camera that shows two squares, and who listens to what the node tells."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import rospy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from processes import wait_for
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from datasets.camera import pinhole
from lds_ros.messages import camera_info_message, image_message

HEIGHT, WIDTH = 48, 64
SQUARES = {(15, 10, 15, 15): (200, 30, 30), (35, 20, 15, 15): (30, 60, 190)}  # x, y, width, height: RGB


class Listener:
    """Keeps what comes on a topic, where it is wanted."""

    def __init__(self, topic: str, kind: type, wanted: Callable[[object], bool] = lambda message: True) -> None:
        self.messages: list = []
        self._wanted = wanted
        self._subscriber = rospy.Subscriber(topic, kind, self._keep, buff_size=2**24)

    def _keep(self, message: object) -> None:
        if self._wanted(message):
            self.messages.append(message)

    def with_stamp(self, stamp: rospy.Time) -> object | None:
        return next((m for m in list(self.messages) if m.header.stamp == stamp), None)

    def close(self) -> None:
        self._subscriber.unregister()


class Camera:
    """Publishes pictures of two coloured squares, each with a stamp of its own.

    Attributes:
        picture: uint8 [HEIGHT,WIDTH,3].
        truth: int32 [HEIGHT,WIDTH], 1 and 2 at the squares.
    """

    def __init__(self, name: str) -> None:
        self._images = rospy.Publisher(f"{name}/image", Image, queue_size=1)
        self._infos = rospy.Publisher(f"{name}/camera_info", CameraInfo, queue_size=1)
        self.truth = np.zeros((HEIGHT, WIDTH), np.int32)
        self.picture = np.full((HEIGHT, WIDTH, 3), 220, np.uint8)
        for id_, ((x, y, width, height), colour) in enumerate(SQUARES.items(), start=1):
            square = np.s_[y : y + height, x : x + width]
            self.truth[square], self.picture[square] = id_, colour

    @property
    def is_heard(self) -> bool:
        return self._images.get_num_connections() > 0

    def show(self, message: Image | None = None) -> rospy.Time:
        header = Header(stamp=rospy.Time.now(), frame_id="test_camera")
        message = message or image_message(self.picture, header)
        message.header = header
        self._images.publish(message)
        return header.stamp

    def calibrate(self, width: int = WIDTH) -> None:
        header = Header(stamp=rospy.Time.now())
        self._infos.publish(camera_info_message(pinhole(HEIGHT, width, 0.7), HEIGHT, width, header))


def answered(camera: Camera, listener: Listener, message: Image | None = None) -> object:
    """Show an image again and again until the listener has the answer to one of them."""
    shown: list[rospy.Time] = []

    def once() -> object | None:
        shown.append(camera.show(message))
        time.sleep(0.1)
        return next(filter(None, map(listener.with_stamp, shown)), None)

    return wait_for("an answer", once)


def diagnostics_of(name: str) -> Listener:
    """Others' nodes may run beside it."""
    return Listener("/diagnostics", DiagnosticArray, lambda message: message.status[0].name.startswith(f"{name}:"))


def newest_status(health: Listener) -> DiagnosticStatus:
    return health.messages[-1].status[0]


def value(status: DiagnosticStatus, key: str) -> str:
    return next(v.value for v in status.values if v.key == key)


def health_with(health: Listener, key: str, wanted: str) -> Callable[[], DiagnosticStatus | None]:
    """A condition: a status came that gives `key` the value `wanted`."""
    return lambda: next((s for m in list(health.messages) for s in m.status if value(s, key) == wanted), None)


def bad_image(encoding: str, step: int, data: bytes) -> Image:
    return Image(height=HEIGHT, width=WIDTH, encoding=encoding, step=step, data=data)
