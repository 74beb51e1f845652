"""How a node is doing: what it counts and times, and what is wrong, for /diagnostics."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from perception.rates import mean_rate
from perception.repetition import Repetition

SILENCE = 5.0  # seconds without an image that are worth a warning
WINDOW = 300  # frames that rate and latency are taken over
MISSED_DEPTH = 0.1  # share of images without depth that is not worth a warning: cameras drop some


@dataclass(frozen=True)
class Status:
    """`problems` is empty when all is well; `values` are what was measured, as text."""

    problems: list[str]
    values: dict[str, str]


class Health:
    """Thread-safe. All times are of a clock that only goes forward.

    Args:
        image_topic, info_topic: full names, used in messages.
        explain_silence: tells why no image comes, and what to do; may take its time.
    """

    def __init__(
        self,
        image_topic: str,
        info_topic: str,
        explain_silence: Callable[[], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._image_topic, self._info_topic, self._clock = image_topic, info_topic, clock
        self._explain_silence = explain_silence
        self._lock = threading.Lock()
        self._listening_since = clock()
        self._last_image: float | None = None
        self._bad_stamp, self._repetition = "", Repetition(clock)
        self._has_info, self._bad_info = False, ""
        self._finished: deque[float] = deque(maxlen=WINDOW)
        self._latencies: deque[float] = deque(maxlen=WINDOW)
        self._counts: Counter[str] = Counter()
        self._last_error, self._last_error_at = "", -math.inf
        self._not_placed, self._not_placed_at = "", -math.inf
        self._depth: deque[tuple[float, str]] = deque(maxlen=WINDOW)  # when depth was looked at, and its problem

    def listening(self) -> None:
        """From now on images should come."""
        with self._lock:
            self._listening_since, self._last_image = self._clock(), None
            self._bad_stamp, self._repetition = "", Repetition(self._clock)

    def image_came(self, content: bytes, bad_stamp: str = "") -> None:
        """`content`: its values as they came; `bad_stamp`: why its stamp cannot be the time of its exposure."""
        with self._lock:
            self._last_image, self._bad_stamp = self._clock(), bad_stamp
            self._repetition.see(content)

    def info_came(self, problem: str = "") -> None:
        """The camera's calibration came; `problem`: why it is of no use."""
        with self._lock:
            self._has_info, self._bad_info = True, problem

    def not_placed(self, reason: str) -> None:
        """The objects of a frame were not placed in space."""
        with self._lock:
            self._not_placed, self._not_placed_at = reason, self._clock()

    def depth_used(self, problem: str) -> None:
        """Objects were placed; `problem`: why depth, which is there, placed none of them."""
        with self._lock:
            self._depth.append((self._clock(), problem))

    def frame_finished(self, latency: float, duplicates_merged: int, is_full: bool) -> None:
        """A frame was segmented and published `latency` seconds after its stamp; `is_full`: see `Segmentation`."""
        with self._lock:
            self._finished.append(self._clock())
            self._latencies.append(latency)
            self._counts["frames segmented"] += 1
            self._counts["duplicates merged"] += duplicates_merged
            self._counts["frames with all slots in use"] += is_full

    def frame_failed(self, error: str) -> None:
        with self._lock:
            self._counts["bad frames"] += 1
            self._last_error, self._last_error_at = error, self._clock()

    def status(self, dropped: int, listening: bool = True) -> Status:
        """What is to be said now.

        Args:
            dropped: frames so far that a newer one replaced.
            listening: whether images are wanted.
        """
        with self._lock:
            values = self._values(dropped)
            silent = self._clock() - (self._listening_since if self._last_image is None else self._last_image)
            problems = self._stream_problems() if silent < SILENCE else []
            problems += self._problems()
        if not listening:
            return Status([], values)
        if silent >= SILENCE:  # explained without the lock, which the stream waits for
            problems.insert(0, f"no image on {self._image_topic} for {silent:.0f} s: {self._explain_silence()}")
        return Status(problems, values)

    def _stream_problems(self) -> list[str]:
        """Of images that come."""
        problems = []
        if self._bad_stamp:
            problems.append(f"{self._image_topic}: {self._bad_stamp}")
        if (frozen := self._repetition.seconds) >= SILENCE:
            problems.append(
                f"frozen camera: the same picture on {self._image_topic}, pixel for pixel, for {frozen:.0f} s, though "
                "this camera is noisy: plug it in again, and start its node again"
            )
        if self._last_image is not None and not self._has_info and self._clock() - self._listening_since >= SILENCE:
            problems.append(f"images come, but no camera_info on {self._info_topic}: remap it, or calibrate the camera")
        return problems

    def _problems(self) -> list[str]:
        """Of what came lately."""
        now, problems = self._clock(), []
        if self._bad_info:
            problems.append(f"{self._info_topic}: {self._bad_info}")
        if now - self._not_placed_at < SILENCE:
            problems.append(f"objects have no place in space: {self._not_placed}")
        recent = [problem for at, problem in self._depth if now - at < SILENCE]
        missed = [problem for problem in recent if problem]
        if len(missed) > MISSED_DEPTH * len(recent):
            share = len(missed) / len(recent)
            problems.append(f"depth places nothing in {share:.0%} of the images: {missed[-1]}")
        if now - self._last_error_at < SILENCE:
            problems.append(f"a frame on {self._image_topic} was left out: {self._last_error}")
        return problems

    def _values(self, dropped: int) -> dict[str, str]:
        values = {"images": self._image_topic}
        recent = [t for t in self._finished if t > self._clock() - SILENCE]
        values["rate (Hz)"] = f"{mean_rate(recent):.1f}"
        if self._latencies:
            median, high = np.percentile(self._latencies, [50, 99]) * 1e3
            values["latency from stamp, median (ms)"] = f"{median:.1f}"
            values["latency from stamp, p99 (ms)"] = f"{high:.1f}"
        for name in ("frames segmented", "duplicates merged", "frames with all slots in use", "bad frames"):
            values[name] = str(self._counts[name])
        values["frames dropped for newer ones"] = str(dropped)
        values["last error"] = self._last_error or "none"
        return values
