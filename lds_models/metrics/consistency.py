"""Does a slot keep to one object while the camera moves?"""

from __future__ import annotations

import numpy as np

from lds_models.metrics.segmentation import finding_slot, pairs_among


def cross_view_consistency(table: np.ndarray, first_view: np.ndarray) -> np.ndarray:
    """How often the slot that finds an object in one view finds it in another view too, float64 [S].

    Of all pairs of views of a scene in which an object is found (IoU of 0.5 or more, see `segmentation.recall`), the
    share in which the same slot finds it. 1 where slots never swap objects between views, about 1 / K where they are
    drawn anew for each; NaN where no object is found twice.

    Args:
        table: contingency table int64 [N,R,K] of each view, with an object's region the same in all views.
        first_view: [S+1]; scene s has the views first_view[s] to first_view[s+1] - 1.
    """
    found = finding_slot(table)[:, 1:, None] == np.arange(table.shape[2])
    views = np.add.reduceat(found, first_view[:-1], dtype=np.int64)  # [S,R-1,K]: views in which slot k finds object r
    same, pairs = pairs_among(views).sum((1, 2)), pairs_among(views.sum(2)).sum(1)
    return np.where(pairs > 0, same / np.maximum(pairs, 1), np.nan)
