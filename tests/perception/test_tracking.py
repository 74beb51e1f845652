from __future__ import annotations

import numpy as np

from perception import tracking
from perception.segmentation import ObjectSegment, Region, Segmentation

RED, GREEN, BLUE = np.eye(3, 16, dtype=np.float32)


class Tracker(tracking.Tracker):
    """Frames come 30 times a second, unless a test says when."""

    stamp = 100.0

    def update(self, segmentation: Segmentation, stamp: float | None = None) -> Segmentation:
        self.stamp = self.stamp + 1 / 30 if stamp is None else stamp
        return super().update(segmentation, self.stamp)


def frame(*things: tuple[int, int, np.ndarray], side: int = 60) -> Segmentation:
    """A segmentation of squares, given their left, top and latent; ids 1, 2, ... in the given order."""
    labels = np.zeros((480, 640), np.int32)
    objects = []
    for id_, (left, top, latent) in enumerate(things, start=1):
        labels[top : top + side, left : left + side] = id_
        centre = (left + side / 2 - 0.5, top + side / 2 - 0.5)
        objects.append(ObjectSegment(id_, (left, top, side, side), side**2, centre, 0.9, latent, 1))
    return Segmentation(labels, objects, 0, Region(80, 0, 480, 480))


def ids_at(segmentation: Segmentation, *places: tuple[int, int]) -> list[int]:
    """The labels at places (left, top) of squares."""
    return [int(segmentation.labels[top + 5, left + 5]) for left, top in places]


def test_objects_keep_their_ids_when_they_move_and_change_order() -> None:
    tracker = Tracker()
    first = tracker.update(frame((100, 100, RED), (300, 200, GREEN)))
    second = tracker.update(frame((305, 204, GREEN), (108, 96, RED)))
    assert ids_at(first, (100, 100), (300, 200)) == [1, 2]
    assert ids_at(second, (108, 96), (305, 204)) == [1, 2]
    assert [segment.id for segment in second.objects] == [1, 2]
    assert second.objects[0].latent is RED


def test_objects_are_known_again_by_their_latents_after_a_jump() -> None:
    tracker = Tracker()
    tracker.update(frame((100, 100, RED), (300, 200, GREEN)))
    jumped = tracker.update(frame((100, 100, GREEN), (400, 300, RED)))
    assert ids_at(jumped, (400, 300), (100, 100)) == [1, 2]


def test_objects_that_look_alike_are_told_apart_by_their_place() -> None:
    tracker = Tracker()
    tracker.update(frame((100, 100, RED), (300, 200, RED)))
    assert ids_at(tracker.update(frame((300, 200, RED), (100, 100, RED))), (100, 100), (300, 200)) == [1, 2]


def test_a_new_object_gets_a_new_id_and_an_old_id_is_not_used_again() -> None:
    tracker = Tracker()
    tracker.update(frame((100, 100, RED), (300, 200, GREEN)))
    tracker.update(frame((100, 100, RED)))
    later = tracker.update(frame((300, 300, BLUE), (100, 100, RED)))
    assert ids_at(later, (100, 100), (300, 300)) == [1, 3]
    assert [segment.id for segment in later.objects] == [1, 3]


def test_objects_that_are_to_be_forgotten_are_new_ones_afterwards() -> None:
    tracker = Tracker()
    tracker.update(frame((100, 100, RED), (300, 200, GREEN)))
    tracker.forget()
    assert ids_at(tracker.update(frame((100, 100, RED))), (100, 100)) == [3]


def test_frames_without_objects_are_taken() -> None:
    tracker = Tracker()
    assert tracker.update(frame()).objects == []
    assert tracker.update(frame((100, 100, RED))).objects[0].id == 1


def test_a_change_of_resolution_starts_anew() -> None:
    tracker = Tracker()
    tracker.update(frame((100, 100, RED)))
    smaller = frame((100, 100, RED))
    smaller = Segmentation(smaller.labels[:240, :320], smaller.objects, 0, Region(40, 0, 240, 240))
    assert tracker.update(smaller).objects[0].id == 2


def test_an_object_that_was_hidden_for_a_second_is_known_again() -> None:
    tracker = Tracker()
    tracker.update(frame((100, 100, RED), (300, 200, GREEN)), stamp=5.0)
    for number in range(1, 30):  # a hand in front of the red one
        hidden = tracker.update(frame((300, 200, GREEN), (110, 90, BLUE)), stamp=5 + number / 30)
    again = tracker.update(frame((104, 98, RED), (300, 200, GREEN)), stamp=6.0)
    assert ids_at(hidden, (300, 200), (110, 90)) == [2, 3]
    assert ids_at(again, (104, 98), (300, 200)) == [1, 2]


def test_an_object_that_was_gone_for_long_is_a_new_one() -> None:
    tracker = Tracker()
    tracker.update(frame((100, 100, RED)), stamp=5.0)
    tracker.update(frame(), stamp=6.0)
    assert tracker.update(frame((100, 100, RED)), stamp=7.0).objects[0].id == 2


def test_a_recording_that_is_played_again_starts_anew() -> None:
    tracker = Tracker()
    tracker.update(frame((100, 100, RED)), stamp=50.0)
    assert tracker.update(frame((100, 100, RED)), stamp=2.0).objects[0].id == 2
