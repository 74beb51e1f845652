from __future__ import annotations

import numpy as np
import pytest

from perception.health import Health


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health("/camera/image_raw", "/camera/camera_info", lambda: "nobody publishes it: start its node", clock)


def play(health: Health, clock: Clock, frames: int, rate: float = 20.0, bad_stamp: str = "") -> None:
    for number in range(frames):
        clock.now += 1 / rate
        health.image_came(bytes(12), bad_stamp)
        health.frame_finished(latency=0.025, duplicates_merged=1, is_full=number % 4 == 0)


def test_all_is_well_while_images_and_camera_info_come(health: Health, clock: Clock) -> None:
    health.info_came()
    play(health, clock, 200)
    status = health.status(dropped=3)
    assert status.problems == []
    assert status.values["rate (Hz)"] == "20.0"
    assert status.values["latency from stamp, median (ms)"] == "25.0"
    assert status.values["frames segmented"] == status.values["duplicates merged"] == "200"
    assert status.values["frames with all slots in use"] == "50"
    assert status.values["frames dropped for newer ones"] == "3"
    assert status.values["last error"] == "none"


def test_no_image_for_five_seconds_is_told_with_the_topic_and_the_reason(health: Health, clock: Clock) -> None:
    clock.now += 4.9
    assert health.status(0).problems == []
    clock.now += 0.2
    (problem,) = health.status(0).problems
    assert problem == "no image on /camera/image_raw for 5 s: nobody publishes it: start its node"


def test_images_that_stop_are_told_too_and_the_rate_goes_to_zero(health: Health, clock: Clock) -> None:
    health.info_came()
    play(health, clock, 100)
    clock.now += 6
    status = health.status(0)
    assert "no image on /camera/image_raw for 6 s" in status.problems[0]
    assert health.status(0, listening=False).problems == []
    assert status.values["rate (Hz)"] == "0.0"


def test_missing_camera_info_is_told_with_its_topic(health: Health, clock: Clock) -> None:
    play(health, clock, 120)
    (problem,) = health.status(0).problems
    assert "no camera_info on /camera/camera_info" in problem
    health.info_came()
    assert health.status(0).problems == []


def test_a_bad_frame_is_told_for_a_while_and_counted_for_good(health: Health, clock: Clock) -> None:
    health.info_came()
    play(health, clock, 10)
    health.frame_failed("encoding 'yuv422' is not taken")
    assert "yuv422" in health.status(0).problems[0]
    play(health, clock, 200)
    status = health.status(0)
    assert status.problems == []
    assert status.values["bad frames"] == "1" and "yuv422" in status.values["last error"]


def test_depth_that_places_nothing_is_told_with_its_share_and_its_newest_reason(health: Health, clock: Clock) -> None:
    health.info_came()
    for number in range(60):
        play(health, clock, 1)
        health.depth_used("depth is stamped +33 ms from the image" if number % 3 else "")
    (problem,) = health.status(0).problems
    assert problem == "depth places nothing in 67% of the images: depth is stamped +33 ms from the image"
    for _ in range(120):
        play(health, clock, 1)
        health.depth_used("")
    assert health.status(0).problems == []


def test_depth_that_is_missing_now_and_then_is_no_problem(health: Health, clock: Clock) -> None:
    health.info_came()
    for number in range(1, 101):
        play(health, clock, 1)
        health.depth_used("" if number % 20 else "the newest depth is stamped 133 ms before the image")
    assert health.status(0).problems == []


def test_stamps_that_cannot_be_are_told_until_they_are_right(health: Health, clock: Clock) -> None:
    health.info_came()
    play(health, clock, 10, bad_stamp="its images have no stamp (0)")
    assert health.status(0).problems == ["/camera/image_raw: its images have no stamp (0)"]
    play(health, clock, 1)
    assert health.status(0).problems == []


def test_a_frozen_camera_is_told_after_five_seconds_and_forgotten_with_the_listeners(
    health: Health, clock: Clock
) -> None:
    rng = np.random.default_rng(0)
    health.info_came()

    def show(*pictures: bytes) -> list[str]:
        for picture in pictures:
            clock.now += 0.1
            health.image_came(picture)
        return health.status(0).problems

    noise = [rng.integers(100, 108, 3000, np.uint8).tobytes() for _ in range(60)]
    assert show(*noise) == []
    assert show(*49 * [noise[-1]]) == []
    (problem,) = show(*10 * [noise[-1]])
    assert problem.startswith("frozen camera: the same picture on /camera/image_raw, pixel for pixel, for 6 s")
    health.listening()
    assert show(*60 * [noise[-1]]) == []
