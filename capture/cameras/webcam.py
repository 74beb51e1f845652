"""A webcam by OpenCV and V4L2, or a video file or PNG sequence in its place."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import cv2

from capture.cameras.camera import Camera, Frame, Intrinsics
from capture.cameras.frame_reader import FrameReader
from capture.cameras.settings import WebcamSettings
from capture.cameras.v4l2 import CONTROLS, device_path, lock_control, open_device, set_control, usb_serial
from capture.errors import CameraError, CameraLost, CameraSilent

SETTLED = 5  # frames that were exposed before the controls were fixed, at most

log = logging.getLogger(__name__)


class Webcam(Camera):
    """A thread reads every frame as it comes, so that none waits in a buffer, and stamps it."""

    kind = WebcamSettings.kind

    def __init__(self, settings: WebcamSettings) -> None:
        self.serial = ""
        self._settings = settings
        given = {control.name: getattr(settings, control.name) for control in CONTROLS}
        self._fixed: dict[str, float] = {name: value for name, value in given.items() if value is not None}
        self._has_told = False
        self._reader: FrameReader | None = None

    def __enter__(self) -> Webcam:
        device = device_path(self._settings.device)
        if device is None:
            capture, period = _open_file(self._settings.device), 1 / self._settings.fps
        else:
            self.serial = usb_serial(device)
            capture, period = open_device(device, self._settings), 0.0
            self._hold_still(capture)
        self._reader = FrameReader(capture, period, self._settings.latency)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._reader is not None:
            self._reader.end()
        self._reader = None

    @property
    def intrinsics(self) -> Intrinsics | None:
        return None

    def frame_after(self, stamp: float, timeout: float) -> Frame:
        assert self._reader is not None, "the camera is not open"
        found, came, newest = self._reader.first_after(stamp, timeout)
        if found is not None:
            return Frame(cv2.cvtColor(found.picture, cv2.COLOR_BGR2RGB), found.stamp)
        if self._reader.lost:
            raise CameraLost(f"{self._settings.device}: {self._reader.lost}")
        asked = f"{self._settings.device}: no frame within {timeout:g} s: "
        if not came:
            raise CameraSilent(f"{asked}it delivers none")
        raise CameraError(f"{asked}the newest was exposed {stamp - newest:.2f} s before the asked time")

    def _hold_still(self, capture: cv2.VideoCapture) -> None:
        """Let the camera's automatics settle, then fix them; those of an earlier opening stay as they were."""
        for control in CONTROLS:
            set_control(capture, control, self._fixed.get(control.name))
        if len(self._fixed) < len(CONTROLS):
            _discard(capture, self._settings.warm_up)
        missing = []
        for control in CONTROLS:
            value = lock_control(capture, control)
            if value is None:
                missing.append(control.name)
            else:
                self._fixed[control.name] = value
        _discard(capture, SETTLED / self._settings.fps)
        if not self._has_told:
            self._has_told = True
            fixed = ", ".join(f"{name} {value:g}" for name, value in self._fixed.items())
            log.info("%s: fixed at %s", self._settings.device, fixed or "nothing")
            if missing:
                names = ", ".join(missing)
                log.warning("%s: the driver does not fix %s, which may change by itself", self._settings.device, names)


def _discard(capture: cv2.VideoCapture, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        capture.grab()


def _open_file(name: str) -> cv2.VideoCapture:
    if "%" in name or Path(name).is_file():
        capture = cv2.VideoCapture(name)
        if capture.isOpened():
            return capture
        raise CameraError(f"{name}: is no video or sequence of pictures that can be played")
    raise CameraError(f"{name}: no such file; a device is /dev/video0 or /dev/v4l/by-id/NAME, pictures %04d.png")
