"""What can go wrong while recording. Each message says what is wrong, with what, and what to do."""

from __future__ import annotations


class CaptureError(Exception):
    """Recording cannot go on, or cannot begin."""

    exit_code = 1


class CameraError(CaptureError):
    """The camera gives no usable frame now; a later attempt may succeed."""


class CameraSilent(CameraError):
    """The camera is there and sends nothing at all. It may hang, and work again once it is opened anew."""


class CameraLost(CameraError):
    """The camera is gone (unplugged, its node ended); it must be opened again."""


class MotionError(CaptureError):
    """The arm did not get where it should: no path, refused, stalled, aborted. It stands still now."""


class PoseError(CaptureError):
    """It is not known where the camera was at the asked time."""


class CalibrationError(CaptureError):
    """A calibration cannot be made, read or trusted."""


class StorageError(CaptureError):
    """What was recorded cannot be stored or read back. What was stored before is safe."""
