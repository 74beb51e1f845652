"""The thread that reads a webcam or a file, so that no frame waits in a buffer, and stamps each as it comes."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import NamedTuple

import cv2
import numpy as np

KEPT = 8  # frames
FAILURES = 5  # reads in a row; a single one may be a damaged JPEG
ENDING = 2.0  # seconds that closing waits for a read; OpenCV gives up one of a device that hangs after 10


class Picture(NamedTuple):
    """When it was exposed, Unix seconds; and uint8 [H,W,3], BGR."""

    stamp: float
    picture: np.ndarray


class FrameReader(threading.Thread):
    """Keeps the newest frames until it is ended or the camera is gone, and gives the device back then.

    Args:
        capture: opened; the thread's own from now on.
        period: seconds between two frames of a file; 0 for a device, which has its own.
        latency: seconds from the exposure of a frame to its arrival.

    Attributes:
        lost: why no frame will come any more; None: some will.
    """

    def __init__(self, capture: cv2.VideoCapture, period: float, latency: float) -> None:
        super().__init__(name="webcam", daemon=True)
        self.lost: str | None = None
        self._capture, self._period, self._latency = capture, period, latency
        self._frames: deque[Picture] = deque(maxlen=KEPT)
        self._count = self._failures = 0
        self._changed, self._ended = threading.Condition(), threading.Event()

    def first_after(self, stamp: float, timeout: float) -> tuple[Picture | None, int, float]:
        """Wait for a frame that was exposed later than `stamp`.

        Returns:
            The first one, None if there is none; how many came meanwhile; when the newest was exposed.
        """
        with self._changed:
            before = self._count
            self._changed.wait_for(lambda: self.lost or (self._frames and self._frames[-1].stamp > stamp), timeout)
            found = next((picture for picture in self._frames if picture.stamp > stamp), None)
            return found, self._count - before, self._frames[-1].stamp if self._frames else 0.0

    def end(self) -> None:
        """A device that hangs is given back later, once its read returns."""
        self._ended.set()
        self.join(ENDING)

    def run(self) -> None:
        due = time.monotonic()
        while not self._ended.is_set() and not self.lost:
            due += self._period
            if self._period:
                self._ended.wait(max(0.0, due - time.monotonic()))
            got, picture = self._capture.read()
            self._take(picture if got else None, time.time() - self._latency)
        self._capture.release()

    def _take(self, picture: np.ndarray | None, stamp: float) -> None:
        with self._changed:
            if picture is not None:
                self._frames.append(Picture(stamp, picture))
                self._count += 1
                self._failures = 0
            else:
                self._failures += 1
            if self._failures == FAILURES:
                self.lost = "has ended" if self._period else "is gone: unplugged? Plug it in, and go on"
            self._changed.notify_all()
