"""The interface of every camera."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera with lens distortion.

    Attributes:
        K: float64 [3,3], pixels; the centre of the top-left pixel is (0, 0).
        distortion: float64 [5], OpenCV order (k1 k2 p1 p2 k3).
        width, height: of the images that they hold for, pixels.
    """

    K: np.ndarray
    distortion: np.ndarray
    width: int
    height: int


@dataclass(frozen=True)
class Frame:
    """One picture.

    Attributes:
        image: uint8 [H,W,3], RGB.
        stamp: when it was exposed, seconds of this computer's clock (Unix time, or ROS time where that is simulated).
        depth: float32 [H,W], metres along the optical axis, aligned to the image, 0 where unknown; None without depth.
        truth: uint8 [H,W], instance ids, where a simulation tells them (0: background); None otherwise.
    """

    image: np.ndarray
    stamp: float
    depth: np.ndarray | None = None
    truth: np.ndarray | None = None


class Camera(ABC):
    """A source of frames. A context manager: opened on entry, given back on exit.

    Attributes:
        kind: webcam, realsense, ros_topic.
        serial: what tells this very camera from others of its model; empty where it has none.
    """

    kind: str
    serial: str

    @abstractmethod
    def __enter__(self) -> Camera:
        """Open it, fix what must not change on its own (exposure, focus), warm it up. Raises CameraError."""

    @abstractmethod
    def __exit__(self, *_: object) -> None:
        """Give it back, whatever state it is in."""

    @property
    @abstractmethod
    def intrinsics(self) -> Intrinsics | None:
        """What the camera itself says of its lens, once it is open; None where it says nothing."""

    @abstractmethod
    def frame_after(self, stamp: float, timeout: float) -> Frame:
        """The first frame that was exposed later than `stamp`.

        Raises:
            CameraError: none came within `timeout` seconds; says what came instead, if anything.
            CameraSilent: nothing came at all, though the camera is there.
            CameraLost: the camera is gone.
        """
