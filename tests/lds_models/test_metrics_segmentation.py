from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, jaccard_score

from lds_models.metrics.segmentation import (
    adjusted_rand_index,
    contingency,
    foreground_ari,
    iou,
    match,
    miou,
    miou_greedy,
    recall,
)


def random_labels(images: int = 20, regions: int = 5, slots: int = 6, size: int = 12, seed: int = 0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, regions, (images, size, size))
    noise = rng.random(truth.shape) < rng.random((images, 1, 1))
    relabelled = rng.permutation(slots)[truth]
    return truth, np.where(noise, rng.integers(0, slots, truth.shape), relabelled)


def table_of(truth, slots, num_regions: int, num_slots: int) -> np.ndarray:
    return contingency(np.asarray(truth)[None], np.asarray(slots)[None], num_regions, num_slots)


def brute_force_miou(truth: np.ndarray, slots: np.ndarray, num_slots: int) -> float:
    regions = np.unique(truth)
    scores = [[(np.sum((truth == r) & (slots == k)) / max(np.sum((truth == r) | (slots == k)), 1))
               for k in range(num_slots)] + [0.0] * len(regions) for r in regions]  # fmt: skip
    columns = range(num_slots + len(regions))  # the extra ones stand for "no slot"
    return max(np.mean([scores[i][k] for i, k in enumerate(chosen)]) for chosen in permutations(columns, len(regions)))


def test_contingency_counts_the_pixels_that_region_and_slot_share():
    table = table_of([[0, 0, 1], [1, 1, 2]], [[3, 3, 3], [0, 0, 1]], 3, 4)
    assert table[0].tolist() == [[0, 0, 0, 2], [2, 0, 0, 1], [0, 1, 0, 0]]


def test_contingency_refuses_segmentations_of_different_sizes():
    with pytest.raises(ValueError, match="same shape"):
        contingency(np.zeros((1, 4, 4), int), np.zeros((1, 8, 8), int), 2, 2)


def test_contingency_takes_the_full_range_of_uint8_ids():
    truth = np.full((3, 4, 4), 255, np.uint8)
    table = contingency(truth, np.full((3, 4, 4), 6, np.uint8), 256, 7)
    assert table[:, 255, 6].tolist() == [16, 16, 16] and table.sum() == 48


def test_iou_equals_sklearns_jaccard_for_every_pair():
    truth, slots = random_labels(images=4)
    scores = iou(contingency(truth, slots, 5, 6))
    for n in range(4):
        for r in range(5):
            for k in range(6):
                expected = jaccard_score((truth[n] == r).ravel(), (slots[n] == k).ravel(), zero_division=0)
                assert scores[n, r, k] == pytest.approx(expected)


def test_miou_equals_the_best_of_all_permutations():
    truth, slots = random_labels(images=12, regions=4, slots=4, size=8)
    for n, value in enumerate(miou(contingency(truth, slots, 4, 4))):
        assert value == pytest.approx(brute_force_miou(truth[n], slots[n], 4))


def test_miou_with_fewer_slots_than_regions_counts_the_unmatched_regions_as_zero():
    truth, slots = random_labels(images=12, regions=5, slots=5, size=8, seed=1)
    slots = slots % 3
    for n, value in enumerate(miou(contingency(truth, slots, 5, 3))):
        assert value == pytest.approx(brute_force_miou(truth[n], slots[n], 3))


def test_perfect_segmentation_scores_one_whatever_the_order_of_the_slots_and_with_empty_slots():
    truth, _ = random_labels(images=3, regions=4)
    table = contingency(truth, np.array([6, 2, 0, 3])[truth], 4, 7)
    for measure in (miou, miou_greedy, adjusted_rand_index, foreground_ari):
        assert measure(table) == pytest.approx(np.ones(3))
    assert match(table).tolist() == [[6, 2, 0, 3]] * 3


def test_a_hidden_object_counts_for_nothing():
    truth = np.zeros((4, 4), int)
    truth[:2] = 1
    with_hidden, without = table_of(truth, truth, 4, 5), table_of(truth, truth, 2, 5)
    for measure in (miou, miou_greedy, adjusted_rand_index, foreground_ari):
        assert measure(with_hidden) == measure(without) == 1.0
    assert match(with_hidden)[0, 2:].tolist() == [-1, -1]


def test_one_slot_for_everything_scores_only_by_its_best_region():
    truth = np.zeros((4, 4), int)
    truth[0, :2], truth[1, :2] = 1, 2
    table = table_of(truth, np.zeros_like(truth), 3, 2)
    assert miou(table)[0] == pytest.approx((12 / 16) / 3)
    assert miou_greedy(table)[0] == pytest.approx((12 / 16 + 2 / 16 + 2 / 16) / 3)
    assert adjusted_rand_index(table)[0] == pytest.approx(0)


def test_greedy_miou_drops_overlaps_of_at_most_five_percent():
    truth = np.zeros((10, 10), int)
    truth[0, :5] = 1  # 5 of 100 pixels: IoU .05 with the slot that covers all
    slots = np.zeros_like(truth)
    assert miou_greedy(table_of(truth, slots, 2, 1))[0] == pytest.approx(0.95 / 2)
    truth[0, 5] = 1
    assert miou_greedy(table_of(truth, slots, 2, 1))[0] == pytest.approx((0.94 + 0.06) / 2)


def test_greedy_miou_is_never_below_the_matched_one_except_by_its_floor():
    truth, slots = random_labels(images=50, seed=3)
    table = contingency(truth, slots, 5, 6)
    assert (miou_greedy(table) >= miou(table) - 0.05).all()


def test_recall_counts_the_objects_that_a_slot_covers_with_an_iou_of_a_half_or_more():
    truth = np.zeros((10, 10), int)
    truth[0, :4], truth[2, :4], truth[4, :4] = 1, 2, 3
    slots = np.zeros_like(truth)
    slots[0, :2] = 1  # IoU 2 / 4
    slots[2, :2], slots[3, :1] = 2, 2  # 2 / 5
    slots[4, :4] = 3
    assert recall(table_of(truth, slots, 5, 4))[0] == pytest.approx(2 / 3)
    assert recall(table_of(truth, np.zeros_like(truth), 5, 4))[0] == 0
    assert np.isnan(recall(table_of(np.zeros_like(truth), slots, 5, 4))[0])


def test_recall_is_the_share_of_sklearns_jaccard_scores_from_a_half_on():
    truth, slots = random_labels(images=12, seed=2)
    shares = []
    for n in range(12):
        best = [max(jaccard_score(truth[n].ravel() == r, slots[n].ravel() == k, zero_division=0) for k in range(6))
                for r in range(1, 5) if (truth[n] == r).any()]  # fmt: skip
        shares.append(np.mean(np.array(best) >= 0.5))
    assert recall(contingency(truth, slots, 5, 6)) == pytest.approx(shares)
    assert 0 < np.mean(shares) < 1


@pytest.mark.parametrize("seed", range(3))
def test_ari_equals_sklearns(seed):
    truth, slots = random_labels(seed=seed)
    values = adjusted_rand_index(contingency(truth, slots, 5, 6))
    expected = [adjusted_rand_score(t.ravel(), s.ravel()) for t, s in zip(truth, slots, strict=True)]
    assert values == pytest.approx(expected)


def test_foreground_ari_equals_sklearns_on_the_objects_pixels():
    truth, slots = random_labels(seed=5)
    values = foreground_ari(contingency(truth, slots, 5, 6))
    expected = [adjusted_rand_score(t[t > 0], s[t > 0]) for t, s in zip(truth, slots, strict=True)]
    assert values == pytest.approx(expected)


@pytest.mark.parametrize(
    ("truth", "slots"),
    [([[0, 0, 0, 0]], [[0, 0, 0, 0]]), ([[0, 0, 0, 0]], [[0, 1, 2, 3]]), ([[0, 1, 2, 3]], [[3, 2, 1, 0]]),
     ([[0, 0, 1, 1]], [[0, 0, 0, 0]]), ([[2]], [[1]])],
)  # fmt: skip
def test_ari_of_degenerate_partitions_equals_sklearns(truth, slots):
    expected = adjusted_rand_score(np.ravel(truth), np.ravel(slots))
    assert adjusted_rand_index(table_of(truth, slots, 4, 4))[0] == pytest.approx(expected)


def test_foreground_ari_is_undefined_where_no_object_is_seen():
    assert np.isnan(foreground_ari(table_of(np.zeros((3, 3), int), np.zeros((3, 3), int), 3, 2))[0])


def test_ari_stays_exact_for_large_images():
    truth = np.zeros((1, 1024, 1024), np.uint8)
    truth[:, 300:500, 200:900] = 1
    slots = np.where(truth == 1, 4, 2)
    slots[:, 0, 0] = 4
    value = adjusted_rand_index(contingency(truth, slots, 2, 5))[0]
    assert value == pytest.approx(adjusted_rand_score(truth.ravel(), slots.ravel()), abs=1e-9)
    assert 0.9999 < value < 1
