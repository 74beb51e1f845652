"""How well slots segment: mIoU, greedy mIoU and adjusted Rand indices, all read off contingency tables.

A contingency table counts, for each of N images, the pixels shared by ground-truth region r and slot k: int64 [N,R,K].
Region 0 is the background, region i is object i; a region without pixels is not in the image and counts for nothing.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

GREEDY_IOU_FLOOR = 0.05
FOUND_IOU = 0.5


def contingency(truth: np.ndarray, slots: np.ndarray, num_regions: int, num_slots: int) -> np.ndarray:
    """Count shared pixels.

    Args:
        truth: integer [N,H,W], ground-truth region of each pixel, below num_regions.
        slots: integer [N,H,W], slot that wins each pixel (argmax over slots), below num_slots.

    Returns:
        int64 [N,num_regions,num_slots].
    """
    if truth.shape != slots.shape:
        raise ValueError(f"truth {list(truth.shape)} and slots {list(slots.shape)} must have the same shape [N,H,W]")
    images = len(truth)
    cell = np.arange(images)[:, None, None] * num_regions + truth
    cell = cell * num_slots + slots
    counts = np.bincount(cell.ravel(), minlength=images * num_regions * num_slots)
    return counts.reshape(images, num_regions, num_slots)


def iou(table: np.ndarray) -> np.ndarray:
    """Intersection over union of every region with every slot, float64 [N,R,K]; 0 where both are empty."""
    union = table.sum(2, keepdims=True) + table.sum(1, keepdims=True) - table
    return table / np.maximum(union, 1)


def match(table: np.ndarray) -> np.ndarray:
    """The slot of each region under the one-to-one match with the highest summed IoU (Hungarian algorithm).

    Returns:
        int64 [N,R]; -1 where a region is not in the image, or where there are more regions than slots.
    """
    slot_of_region = np.full(table.shape[:2], -1)
    for row, scores in zip(slot_of_region, iou(table), strict=True):
        regions, slots = linear_sum_assignment(scores, maximize=True)
        row[regions] = slots
    slot_of_region[~_present(table)] = -1
    return slot_of_region


def miou(table: np.ndarray) -> np.ndarray:
    """Mean IoU over the image's regions under `match`, float64 [N]; a region left without a slot scores 0."""
    slot_of_region = match(table)
    matched = np.take_along_axis(iou(table), np.maximum(slot_of_region, 0)[:, :, None], axis=2)[:, :, 0]
    return _mean_over_regions(np.where(slot_of_region >= 0, matched, 0.0), table)


def miou_greedy(table: np.ndarray) -> np.ndarray:
    """Mean IoU as MulMON's published code takes it (NanboLi/MulMON, utils.py), float64 [N].

    Each region takes the slot it overlaps best, even one that another region took, and an IoU of at most 0.05 is 0.
    """
    best = iou(table).max(2)
    return _mean_over_regions(np.where(best > GREEDY_IOU_FLOOR, best, 0.0), table)


def recall(table: np.ndarray) -> np.ndarray:
    """Share of an image's objects that a slot finds, float64 [N]; NaN where the image shows no object."""
    objects = _present(table)[:, 1:]
    found = (finding_slot(table)[:, 1:] >= 0).sum(1)
    return np.where(objects.any(1), found / np.maximum(objects.sum(1), 1), np.nan)


def finding_slot(table: np.ndarray) -> np.ndarray:
    """The slot that finds each region, with an IoU of 0.5 or more: int64 [N,R], -1 where none does.

    Above 0.5, a region has one such slot at most, and a slot one such region.
    """
    scores = iou(table)
    return np.where(scores.max(2) >= FOUND_IOU, scores.argmax(2), -1)


def adjusted_rand_index(table: np.ndarray) -> np.ndarray:
    """Adjusted Rand index (Hubert and Arabie 1985) of the two partitions, float64 [N]; NaN where there is no pixel."""
    pairs = pairs_among(table).sum((1, 2))
    pairs_truth = pairs_among(table.sum(2)).sum(1)
    pairs_slots = pairs_among(table.sum(1)).sum(1)
    pixels = table.sum((1, 2))
    expected = pairs_truth * (pairs_slots / np.maximum(pairs_among(pixels), 1))
    highest = (pairs_truth + pairs_slots) / 2
    same = (pairs == pairs_truth) & (pairs == pairs_slots)
    index = np.where(same, 1.0, (pairs - expected) / np.where(same, 1.0, highest - expected))
    return np.where(pixels > 0, index, np.nan)


def foreground_ari(table: np.ndarray) -> np.ndarray:
    """Adjusted Rand index over the objects' pixels only, float64 [N]; NaN where the image shows no object."""
    return adjusted_rand_index(table[:, 1:])


def pairs_among(count: np.ndarray) -> np.ndarray:
    """How many pairs can be chosen of so many, integers of any shape."""
    return count * (count - 1) // 2


def _present(table: np.ndarray) -> np.ndarray:
    return table.sum(2) > 0


def _mean_over_regions(scores: np.ndarray, table: np.ndarray) -> np.ndarray:
    present = _present(table)
    return (scores * present).sum(1) / np.maximum(present.sum(1), 1)
