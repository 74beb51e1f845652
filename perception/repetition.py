"""Whether a camera sends one picture again and again, as a driver or a USB bus that hangs does.

A still scene does so too, where the camera has no noise (a simulated one). So only a camera that has shown noise can be
found frozen: pictures of a scene at rest that differ nearly everywhere, and by no more over several pictures than from
one to the next, as they would if the camera moved.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import combinations

import numpy as np

LAG = 5  # pictures between two that are compared for noise
PROOFS = 5  # comparisons in a row that must show noise alone: a second at 25 pictures a second
NOISY = 0.3  # share of a picture's values that noise changes, at least
ALIKE = 1.5  # up to which factor differences by noise alone differ from one another
SAMPLES = 10_000  # values of a picture that are looked at for noise, about


class Repetition:
    """Follows the pictures of one camera. All times are of a clock that only goes forward."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._previous = b""
        self._earlier = np.zeros(0, np.int16)
        self._count = self._proofs = 0
        self._since = self._newest = clock()

    def see(self, picture: bytes) -> None:
        """A picture came."""
        self._newest = self._clock()
        if picture != self._previous:
            self._since = self._newest
        self._count += 1
        if not self._is_noisy and self._count % LAG == 0:
            self._look_for_noise(picture)
        self._previous = picture

    @property
    def seconds(self) -> float:
        """For how long the same picture has come, pixel for pixel, of a camera that is noisy; else 0.

        A picture of one value alone tells nothing: black and white show no noise.
        """
        picture = self._previous
        if not self._is_noisy or picture.count(picture[:1]) == len(picture):
            return 0.0
        return self._newest - self._since

    @property
    def _is_noisy(self) -> bool:
        return self._proofs >= PROOFS

    def _look_for_noise(self, picture: bytes) -> None:
        newest, previous = _sampled(picture), _sampled(self._previous)
        self._proofs = self._proofs + 1 if _differ_by_noise(self._earlier, previous, newest) else 0
        self._earlier = newest


def _sampled(picture: bytes) -> np.ndarray:
    values = np.frombuffer(picture, np.uint8)
    return values[:: max(1, len(values) // SAMPLES) | 1].astype(np.int16)


def _differ_by_noise(*samples: np.ndarray) -> bool:
    """Whether pictures differ from one another in many of their values, and each two of them by as much."""
    lengths = {len(sample) for sample in samples}
    if len(lengths) > 1 or 0 in lengths:
        return False
    differences = [np.abs(one - other) for one, other in combinations(samples, 2)]
    if min((difference > 0).mean() for difference in differences) < NOISY:
        return False
    sizes = [float(difference.mean()) for difference in differences]
    return max(sizes) <= ALIKE * min(sizes)
