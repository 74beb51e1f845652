"""How often two slots explain one thing: the paper's Sim (section 4.1), and duplicate rates with and without masks.

Both duplicate rules give an image a score and call it a duplicate case where the score reaches a threshold, so that a
sweep over thresholds reads off the same scores.
"""

from __future__ import annotations

import numpy as np

from lds_models.metrics.segmentation import contingency

MIN_PIXELS = 30  # of a 64x64 image; scales with the area of others
OVERLAP_SHARE = 0.15
LATENT_COSINE = 0.9


def min_pixels(height: int, width: int) -> float:
    """How many pixels of an image a slot must win to be more than noise: 30 of 64x64, scaled by area."""
    return MIN_PIXELS * height * width / 64**2


def visible_slots(slots: np.ndarray, num_slots: int) -> np.ndarray:
    """Which slots are seen: those that win at least `min_pixels`, bool [N,K].

    Args:
        slots: integer [N,H,W], slot that wins each pixel.
    """
    won = contingency(np.zeros_like(slots), slots, 1, num_slots)[:, 0]
    return won >= min_pixels(*slots.shape[1:])


def mean_similarity(cosines: np.ndarray) -> np.ndarray:
    """Sim: the mean off-diagonal cosine similarity of K latents, float64 [N] from [N,K,K]; NaN where K is 1."""
    slots = cosines.shape[1]
    if slots < 2:
        return np.full(len(cosines), np.nan)
    off_diagonal = cosines[:, ~np.eye(slots, dtype=bool)]
    return off_diagonal.mean(1, dtype=np.float64)


def overlap_score(table: np.ndarray, floor: float) -> np.ndarray:
    """The largest share of a ground-truth region that its second slot holds, float64 [N]; 0 where none holds enough.

    Args:
        table: contingency table int64 [N,R,K] (see `segmentation`).
        floor: pixels below which an overlap is noise (`min_pixels`).
    """
    if table.shape[2] < 2:
        return np.zeros(len(table))
    second = np.sort(table, axis=2)[:, :, -2]
    share = second / np.maximum(table.sum(2), 1)
    return np.where(second >= floor, share, 0.0).max(1)


def overlap_slots(table: np.ndarray, floor: float, share: float = OVERLAP_SHARE) -> np.ndarray:
    """The slots that hold one region together with another slot, bool [N,K]; some do where overlap_score >= share."""
    area = np.maximum(table.sum(2, keepdims=True), 1)
    holds = (table >= floor) & (table / area >= share)
    shared = holds.sum(2, keepdims=True) >= 2
    return (holds & shared).any(1)


def latent_score(cosines: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """The highest cosine similarity between two visible slots, float64 [N]; -1 where fewer than two are visible."""
    return np.where(_visible_pairs(visible), cosines, -1.0).max((1, 2))


def latent_slots(cosines: np.ndarray, visible: np.ndarray, cosine: float = LATENT_COSINE) -> np.ndarray:
    """The visible slots whose latent is nearly that of another visible slot, bool [N,K]."""
    return np.any(_visible_pairs(visible) & (cosines >= cosine), axis=2)


def _visible_pairs(visible: np.ndarray) -> np.ndarray:
    return visible[:, :, None] & visible[:, None, :] & ~np.eye(visible.shape[1], dtype=bool)
