"""Waits for a picture at rest. A camera whose stamps are late still shows motion when the arm has come to rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from capture.arms.arm import Interrupted
from capture.cameras.camera import Camera, Frame
from capture.errors import CameraError
from capture.quality import QualityCheck


class RestingFrames(NamedTuple):
    """Two frames in a row that show the same, and how long after the arm the picture came to rest, seconds."""

    earlier: Frame
    later: Frame
    lag: float


class PictureAtRest:
    """Waits for the picture of one camera, and looks at no frame twice.

    Args:
        timeout: seconds for a frame to come.
        lag: seconds after which a picture that still moves is given up: how late a camera's stamps may be at most.
    """

    def __init__(self, camera: Camera, quality: QualityCheck, timeout: float = 2.0, lag: float = 2.0) -> None:
        self._camera, self._quality = camera, quality
        self._timeout, self._lag = timeout, lag
        self._still = 0.0  # since when the arm was at rest for the newest frame that was looked at
        self._judged = 0.0  # stamp of that frame

    def wait(self, still: float, interrupted: Callable[[], bool]) -> RestingFrames:
        """The first two frames that show the same: after `still`, and of those that were not looked at yet.

        Raises:
            CameraError: no frame came, or the picture still moves.
            Interrupted: `interrupted()` became true.
        """
        if still < self._still:  # the clock was set back
            self._judged = 0.0
        self._still = still
        since = max(still, self._judged)
        earlier = first = self._camera.frame_after(since, self._timeout)
        while True:
            later = self._camera.frame_after(earlier.stamp, self._timeout)
            self._judged = later.stamp
            if self._quality.settled(earlier, later):
                return RestingFrames(earlier, later, earlier.stamp - first.stamp)
            if later.stamp > since + self._lag:
                raise CameraError(
                    f"the picture still moves {later.stamp - still:.1f} s after the arm has come to rest: "
                    "the camera's stamps are late, its mount shakes, or something moves on the table"
                )
            if interrupted():
                raise Interrupted
            earlier = later
