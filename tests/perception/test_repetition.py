"""Cameras that freeze, and cameras that look as if they did."""

from __future__ import annotations

import numpy as np
import pytest

from perception.repetition import Repetition

HEIGHT, WIDTH, RATE = 90, 120, 15.0


class Stream:
    """Pictures of a shaded table that come at a steady rate."""

    def __init__(self, noise: float = 0.0) -> None:
        self.now, self.place, self._noise = 50.0, 0.0, noise
        self.repetition = Repetition(lambda: self.now)
        self._rng = np.random.default_rng(0)

    def show(self, seconds: float, speed: float = 0.0) -> float:
        """Show pictures while the camera moves by `speed` pixels a picture; what it looks like afterwards."""
        for _ in range(round(seconds * RATE)):
            self.place += speed
            self.picture = self._picture()
            self.repeat(1 / RATE)
        return self.repetition.seconds

    def repeat(self, seconds: float) -> float:
        for _ in range(round(seconds * RATE)):
            self.now += 1 / RATE
            self.repetition.see(self.picture)
        return self.repetition.seconds

    def _picture(self) -> bytes:
        y, x = np.mgrid[:HEIGHT, :WIDTH]
        x = x + self.place
        shaded = 120 + 50 * np.sin(x / 9) * np.cos(y / 7) + 20 * np.sin(x / 1.7 + y)  # coarse, and as fine as grain
        noisy = shaded + self._noise * self._rng.standard_normal(shaded.shape)
        return np.repeat(noisy.clip(0, 255).round().astype(np.uint8)[..., None], 3, 2).tobytes()


@pytest.mark.parametrize("noise", [0.6, 2.0, 8.0])
def test_a_noisy_camera_that_freezes_is_found_and_for_how_long(noise: float) -> None:
    stream = Stream(noise)
    assert stream.show(6) == 0
    assert stream.repeat(4) == pytest.approx(4, abs=0.01)
    assert stream.show(1) == 0
    assert stream.repeat(2) == pytest.approx(2, abs=0.01)


def test_a_camera_that_moves_after_its_noise_was_seen_is_found_frozen_too() -> None:
    stream = Stream(noise=2.0)
    stream.show(6)
    assert stream.show(6, speed=1.3) == 0
    assert stream.repeat(3) == pytest.approx(3, abs=0.01)


@pytest.mark.parametrize("speed", [0.05, 0.4, 1.0, 3.7])
def test_a_camera_without_noise_may_rest_however_it_moved_before(speed: float) -> None:
    stream = Stream()
    for _ in range(5):
        stream.show(8, speed)
        assert stream.show(8) == 0


def test_a_still_scene_of_a_camera_without_noise_is_not_frozen() -> None:
    assert Stream().show(60) == 0


def test_black_pictures_of_a_noisy_camera_are_not_frozen() -> None:
    stream = Stream(noise=2.0)
    stream.show(6)
    stream.picture = bytes(len(stream.picture))
    assert stream.repeat(10) == 0


def test_pictures_of_other_sizes_and_empty_ones_are_followed() -> None:
    stream = Stream(noise=2.0)
    for size in (0, 0, 1, 3, 3000, 7):
        stream.picture = bytes(size)
        assert stream.repeat(2) == 0
    stream.show(6)
    assert stream.repeat(3) == pytest.approx(3, abs=0.01)
