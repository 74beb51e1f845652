"""How a label image agrees with the true one, pixel by pixel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lds_models.metrics.segmentation import contingency, miou


class SharedPixels(NamedTuple):
    """How many pixels each of R true regions shares with each of K found ones. The first of both is the background.

    Attributes:
        true_ids, found_ids: [R] and [K], ascending from 0.
        table: int64 [1,R,K], as `lds_models.metrics.segmentation` takes it.
    """

    true_ids: np.ndarray
    found_ids: np.ndarray
    table: np.ndarray


def shared_pixels(truth: np.ndarray, labels: np.ndarray) -> SharedPixels:
    """Of the true and the found object that each pixel shows: integers [H,W], 0 = background, else any ids above."""
    true_ids, found_ids = (np.unique(np.append(0, ids)) for ids in (truth, labels))
    rows, columns = np.searchsorted(true_ids, truth), np.searchsorted(found_ids, labels)
    return SharedPixels(true_ids, found_ids, contingency(rows[None], columns[None], len(true_ids), len(found_ids)))


def image_miou(truth: np.ndarray, labels: np.ndarray) -> float:
    """mIoU (Hungarian, background included) of one label image against the true one, integers [H,W]; any ids."""
    return float(miou(shared_pixels(truth, labels).table)[0])
