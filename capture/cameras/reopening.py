"""Opens a camera anew that is gone or hangs."""

from __future__ import annotations

import time
from collections.abc import Callable

from capture.arms.arm import pause
from capture.cameras.camera import Camera
from capture.errors import CameraError

BETWEEN = 0.5  # seconds from one attempt to the next


def reopen(camera: Camera, patience: float, interrupted: Callable[[], bool]) -> None:
    """Close the camera, and open it as soon as that works.

    Raises:
        CameraError: it did not work within `patience` seconds; why the last attempt failed.
        Interrupted: `interrupted()` became true.
    """
    deadline = time.monotonic() + patience
    while True:
        camera.__exit__(None, None, None)
        try:
            camera.__enter__()
            return
        except CameraError:
            if time.monotonic() > deadline:
                raise
        pause(BETWEEN, interrupted)
