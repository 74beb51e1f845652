"""Whether a model has slots enough: with K of them it tells K - 1 objects and the background apart."""

from __future__ import annotations

import numpy as np

from lds_models.metrics.duplicates import visible_slots
from perception.deduplication import MergedSlots


def is_full(masks: np.ndarray, merged: MergedSlots) -> bool:
    """Whether no slot was left for another object.

    That is: all show, and either each but the background's shows an object of its own, or one shows several. That all
    show is not enough: shadows, or duplicates, take what objects leave.

    Args:
        masks: float32 [K,H,W], of which `merged` was made.
    """
    slots = len(masks)
    if not visible_slots(masks.argmax(0)[None], slots).all():
        return False
    groups = len(set(merged.slots))
    return groups == slots - 1 or groups < len(merged.slots)
