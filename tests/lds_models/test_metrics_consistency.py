from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from lds_models.metrics.consistency import cross_view_consistency
from lds_models.metrics.segmentation import contingency


def views_of(*slots_of_objects: list[int], num_slots: int = 4) -> np.ndarray:
    """Tables [V,R,K] of views in which object i fills a square that slot `slots_of_objects[v][i]` holds alone.

    -1: the object is hidden. Slot 0 has the background.
    """
    truth = np.zeros((len(slots_of_objects), 8, 8), int)
    slots = np.zeros_like(truth)
    for view, chosen in enumerate(slots_of_objects):
        for index, slot in enumerate(chosen):
            if slot >= 0:
                truth[view, 2 * index : 2 * index + 2, :3] = index + 1
                slots[view, 2 * index : 2 * index + 2, :3] = slot
    return contingency(truth, slots, 4, num_slots)


def consistency(table: np.ndarray, *views: int) -> list[float]:
    return cross_view_consistency(table, np.cumsum([0, *views])).tolist()


def test_slots_that_keep_to_their_objects_are_consistent():
    assert consistency(views_of([1, 2, 3], [1, 2, 3], [1, 2, 3]), 3) == [1]


def test_each_pair_of_views_in_which_an_object_changes_its_slot_costs_its_share():
    assert consistency(views_of([1, 2], [1, 2], [2, 1]), 3) == [pytest.approx(2 / 6)]
    assert consistency(views_of([1, 2, 3], [1, 3, 2]), 2) == [pytest.approx(1 / 3)]


def test_views_in_which_an_object_is_hidden_or_not_found_say_nothing():
    assert consistency(views_of([1, 2], [1, -1], [1, 2]), 3) == [1]
    unfound = views_of([1, 2], [1, 0], [3, 2])  # in the second view the background's slot has object 2
    assert consistency(unfound, 3) == [pytest.approx((1 + 1) / (3 + 1))]
    assert np.isnan(consistency(views_of([1], [-1]), 2)[0])


def test_a_single_slot_for_everything_finds_no_object_and_is_not_called_consistent():
    assert np.isnan(consistency(views_of([0, 0], [0, 0]), 2)[0])


def test_scenes_are_told_apart():
    table = views_of([1, 2], [1, 2], [2, 1], [1, 2], [1, 2])
    assert consistency(table, 2, 3) == [1, pytest.approx(2 / 6)]


def test_it_equals_a_count_over_all_pairs_of_views():
    rng = np.random.default_rng(0)
    views = [6, 3, 1, 4]
    chosen = [[int(slot) for slot in rng.permutation([-1, 0, 1, 2, 3])[:3]] for _ in range(sum(views))]
    expected, start = [], 0
    for count in views:
        pairs = [
            a[i] == b[i]
            for a, b in combinations(chosen[start : start + count], 2)
            for i in range(3)
            if a[i] > 0 and b[i] > 0
        ]
        expected.append(np.mean(pairs) if pairs else np.nan)
        start += count
    assert consistency(views_of(*chosen), *views) == pytest.approx(expected, nan_ok=True)
