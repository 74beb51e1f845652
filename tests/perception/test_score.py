from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from perception.agreement import image_miou
from perception.score import Score, read_measured

IMAGE = np.zeros((40, 60, 3), np.uint8)


def squares(*ids: int) -> np.ndarray:
    labels = np.zeros((40, 60), np.int32)
    for i, id_ in enumerate(ids):
        labels[10:20, 15 * i : 15 * i + 10] = id_
    return labels


def feed(score: Score, stamps: list[float], truth: np.ndarray, labels: np.ndarray, delay: float = 0.02) -> None:
    for stamp in stamps:
        score.image_came(stamp, stamp + 0.003, IMAGE)
        score.truth_came(stamp, truth)
        score.label_came(stamp, stamp + delay, labels)
        score.scene_came(1)


def test_rates_latencies_and_lost_frames_are_those_of_the_stamps() -> None:
    score = Score()
    stamps = [10 + i / 30 for i in range(31)]
    feed(score, stamps[:20], squares(1, 2), squares(1, 2))
    score.image_came(stamps[20], stamps[20], IMAGE)  # for which no labels come
    feed(score, stamps[21:], squares(1, 2), squares(1, 2))
    score.image_came(12, 12, IMAGE)  # still on its way
    measured = score.measured()
    assert measured.lost == 1
    assert measured.images == 32 and measured.labels == 30
    assert measured.label_rate == pytest.approx(29.0, abs=0.1)
    assert np.allclose(measured.latencies, 0.02)
    assert sum(measured.duplicates_merged) == 30


def test_each_view_is_scored_once_whatever_ids_the_objects_have() -> None:
    score = Score()
    feed(score, [1.0, 1.1, 1.2], squares(1, 2), squares(17, 4))
    feed(score, [1.8, 1.9], squares(1, 0, 2), squares(17))
    measured = score.measured()
    assert measured.miou == pytest.approx([1.0, (1 + 0 + 2200 / 2300) / 3])
    assert measured.objects == [2, 1] and measured.true_objects == [2, 2]


def test_labels_without_truth_are_timed_but_not_scored() -> None:
    score = Score()
    score.image_came(1.0, 1.0, IMAGE)
    score.label_came(1.0, 1.05, squares(1))
    assert score.has_labels
    assert score.measured().miou == [] and len(score.measured().latencies) == 1


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    score = Score()
    feed(score, [1.0, 1.1], squares(1, 2), squares(1, 2))
    score.write(tmp_path / "new", peak_memory_mb=321.0)
    assert read_measured(tmp_path / "new") == score.measured(321.0)
    with np.load(tmp_path / "new" / "frames.npz", allow_pickle=False) as frames:
        assert frames["images"].shape == (1, 20, 30, 3)
        assert frames["labels"].shape == frames["truths"].shape == (1, 20, 30)


def test_miou_of_a_half_found_object() -> None:
    truth, labels = np.zeros((10, 10), int), np.zeros((10, 10), int)
    truth[:, :4], labels[:, :2] = 1, 5
    assert image_miou(truth, labels) == pytest.approx((20 / 40 + 60 / 80) / 2)


def test_objects_that_are_taken_for_others_are_counted() -> None:
    score = Score()
    feed(score, [1.0, 1.1], squares(1, 2), squares(7, 9))
    feed(score, [1.2], squares(1, 2), squares(7))  # one is not seen, and comes back as another
    feed(score, [1.3, 1.4], squares(1, 2), squares(7, 12))
    measured = score.measured()
    assert (measured.id_switches, measured.sightings, measured.visible) == (1, 9, 10)


def test_two_objects_that_change_their_ids_are_two_switches() -> None:
    score = Score()
    feed(score, [1.0], squares(1, 2), squares(7, 9))
    feed(score, [1.1], squares(1, 2), squares(9, 7))
    assert score.measured().id_switches == 2


def test_places_are_measured_against_the_nearest_true_ones() -> None:
    score = Score()
    score.places_came(np.array([[0, 0, 0.01], [0.1, 0, 0.02]]), np.array([[0.1, 0, 0.0], [0, 0, 0]]))
    score.places_came(np.zeros((0, 3)), np.zeros((2, 3)))
    assert score.measured().place_errors == pytest.approx([0.01, 0.02])


def test_a_moving_camera_is_scored_at_a_pace_and_few_pictures_are_kept(tmp_path: Path) -> None:
    score = Score()
    for number in range(1000):
        truth = squares(1, 2)
        truth[0, number % 60] = 3  # no two frames are alike
        feed(score, [number / 10], truth, squares(1, 2))
    assert len(score.measured().miou) == pytest.approx(1000 / 10 / 0.5, rel=0.3)
    score.write(tmp_path, None)
    assert len(np.load(tmp_path / "frames.npz")["images"]) <= 60
