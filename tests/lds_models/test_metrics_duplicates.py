from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from lds_models.metrics.duplicates import (
    latent_score,
    latent_slots,
    mean_similarity,
    min_pixels,
    overlap_score,
    overlap_slots,
    visible_slots,
)

FLOOR = min_pixels(64, 64)


def table_of(*regions: list[int]) -> np.ndarray:
    return np.array([regions])


def test_the_pixel_floor_is_30_at_64x64_and_scales_with_the_area():
    assert min_pixels(64, 64) == 30
    assert min_pixels(128, 128) == 120
    assert min_pixels(32, 64) == 15


def test_a_slot_is_visible_from_30_pixels_of_64x64_on():
    slots = np.zeros((2, 64, 64), np.uint8)
    slots[0, 0, :30] = 2
    slots[1, 0, :29] = 2
    assert visible_slots(slots, 4).tolist() == [[True, False, True, False], [True, False, False, False]]


def test_sim_is_the_mean_off_diagonal_cosine():
    latents = np.random.default_rng(0).normal(size=(3, 5, 16))
    cosines = np.stack([cosine_similarity(z) for z in latents])
    pairs = [(h, j) for h in range(5) for j in range(5) if h != j]
    expected = [np.mean([c[h, j] for h, j in pairs]) for c in cosines]
    assert mean_similarity(cosines) == pytest.approx(expected)


def test_sim_of_a_single_slot_is_undefined():
    assert np.isnan(mean_similarity(np.ones((2, 1, 1)))).all()


def test_a_region_split_between_two_slots_is_a_duplicate_and_names_both_slots():
    table = table_of([3500, 0, 0, 0], [0, 200, 100, 20])
    assert overlap_score(table, FLOOR)[0] == pytest.approx(100 / 320)
    assert overlap_slots(table, FLOOR)[0].tolist() == [False, True, True, False]


def test_a_split_background_is_a_duplicate_too():
    assert overlap_score(table_of([2000, 1800, 0], [0, 0, 296]), FLOOR)[0] == pytest.approx(1800 / 3800)


def test_an_overlap_below_the_pixel_floor_is_no_duplicate_however_large_its_share():
    table = table_of([4000, 0], [30, 29])
    assert overlap_score(table, FLOOR)[0] == 0
    assert not overlap_slots(table, FLOOR).any()
    assert overlap_score(table_of([4000, 0], [30, 30]), FLOOR)[0] == 0.5


def test_an_overlap_below_the_share_is_no_duplicate_however_many_pixels():
    at, below = table_of([3400, 600]), table_of([3401, 599])
    assert overlap_score(at, FLOOR)[0] == 0.15 and overlap_slots(at, FLOOR).all()
    assert overlap_score(below, FLOOR)[0] < 0.15 and not overlap_slots(below, FLOOR).any()


def test_the_score_reaches_a_threshold_exactly_where_slots_are_marked_at_it():
    rng = np.random.default_rng(1)
    table = rng.integers(0, 120, (500, 4, 5)) * (rng.random((500, 4, 5)) < 0.4)
    for share in (0.05, 0.15, 0.3, 0.45):
        marked = overlap_slots(table, FLOOR, share).any(1)
        assert (marked == (overlap_score(table, FLOOR) >= share)).all()
        assert 0 < marked.mean() < 1


def test_one_slot_alone_is_never_a_duplicate():
    assert overlap_score(table_of([4000], [96]), FLOOR)[0] == 0
    assert latent_score(np.ones((1, 1, 1)), np.ones((1, 1), bool))[0] == -1


def test_latent_duplicates_are_pairs_of_visible_slots_with_nearly_one_direction():
    cosines = np.eye(4)[None].copy()
    cosines[0, 0, 2] = cosines[0, 2, 0] = 0.95
    cosines[0, 1, 3] = cosines[0, 3, 1] = 0.99
    visible = np.array([[True, True, True, False]])  # slot 3 shows nothing: its twin is no duplicate
    assert latent_score(cosines, visible)[0] == 0.95
    assert latent_slots(cosines, visible)[0].tolist() == [True, False, True, False]
    assert latent_score(cosines, np.array([[True, False, False, False]]))[0] == -1
