"""A webcam by OpenCV and V4L2, or a video file or PNG sequence in its place."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np

from capture.cameras.camera import Camera, Frame, Intrinsics
from capture.cameras.settings import WebcamSettings
from capture.cameras.v4l2 import CONTROLS, device_path, lock_control, open_device, set_control, usb_serial
from capture.errors import CameraError, CameraLost

KEPT = 8  # frames
SETTLED = 5  # frames that were exposed before the controls were fixed, at most
FAILURES = 5  # reads in a row; a single one may be a damaged JPEG

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
        self._opened = ExitStack()

    def __enter__(self) -> Webcam:
        device = device_path(self._settings.device)
        if device is None:
            self._capture = _open_file(self._settings.device)
            self._period = 1 / self._settings.fps
        else:
            self.serial = usb_serial(device)
            self._capture = open_device(device, self._settings)
            self._period = 0.0
        self._opened.callback(self._capture.release)
        if device is not None:
            self._hold_still()
        self._frames: deque[tuple[float, np.ndarray]] = deque(maxlen=KEPT)
        self._lost: str | None = None
        self._changed, self._ended = threading.Condition(), threading.Event()
        reader = threading.Thread(target=self._read, name="webcam", daemon=True)
        reader.start()
        self._opened.callback(reader.join)
        self._opened.callback(self._ended.set)
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    @property
    def intrinsics(self) -> Intrinsics | None:
        return None

    def frame_after(self, stamp: float, timeout: float) -> Frame:
        with self._changed:
            self._changed.wait_for(lambda: self._lost or (self._frames and self._frames[-1][0] > stamp), timeout)
            for taken, picture in self._frames:
                if taken > stamp:
                    return Frame(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), taken)
            newest = self._frames[-1][0] if self._frames else None
        asked = f"{self._settings.device}: no frame within {timeout:g} s: "
        if self._lost:
            raise CameraLost(f"{self._settings.device}: {self._lost}")
        if newest is None:
            raise CameraError(f"{asked}it delivers none")
        raise CameraError(f"{asked}the newest was exposed {stamp - newest:.2f} s before the asked time")

    def _hold_still(self) -> None:
        """Let the camera's automatics settle, then fix them; those of an earlier opening stay as they were."""
        for control in CONTROLS:
            set_control(self._capture, control, self._fixed.get(control.name))
        if len(self._fixed) < len(CONTROLS):
            self._discard(self._settings.warm_up)
        missing = []
        for control in CONTROLS:
            value = lock_control(self._capture, control)
            if value is None:
                missing.append(control.name)
            else:
                self._fixed[control.name] = value
        self._discard(SETTLED / self._settings.fps)
        if not self._has_told:
            self._has_told = True
            fixed = ", ".join(f"{name} {value:g}" for name, value in self._fixed.items())
            log.info("%s: fixed at %s", self._settings.device, fixed or "nothing")
            if missing:
                names = ", ".join(missing)
                log.warning("%s: the driver does not fix %s, which may change by itself", self._settings.device, names)

    def _discard(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._capture.grab()

    def _read(self) -> None:
        """Runs in the thread: keeps the newest frames until the camera is closed or gone."""
        failures, due = 0, time.monotonic()
        while not self._ended.is_set():
            due += self._period
            if self._period:
                self._ended.wait(max(0.0, due - time.monotonic()))
            got, picture = self._capture.read()
            taken = time.time() - self._settings.latency
            failures = 0 if got else failures + 1
            with self._changed:
                if got:
                    self._frames.append((taken, picture))
                elif failures == FAILURES:
                    self._lost = "has ended" if self._period else "is gone: unplugged? Plug it in, and go on"
                self._changed.notify_all()
            if self._lost:
                return


def _open_file(name: str) -> cv2.VideoCapture:
    if "%" in name or Path(name).is_file():
        capture = cv2.VideoCapture(name)
        if capture.isOpened():
            return capture
        raise CameraError(f"{name}: is no video or sequence of pictures that can be played")
    raise CameraError(f"{name}: no such file; a device is /dev/video0 or /dev/v4l/by-id/NAME, pictures %04d.png")
