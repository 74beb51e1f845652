"""How well objects keep their ids, against the truth."""

from __future__ import annotations

import numpy as np

from lds_models.metrics.segmentation import iou
from perception.agreement import shared_pixels

STRIDE = 4  # overlaps are counted on every fourth row and column
MIN_IOU = 0.5  # of a true object and what is taken for it


class IdSwitches:
    """Counts how often a true object is taken for another than before (as in multi-object tracking).

    Attributes:
        switches: how often.
        sightings: true objects, over frames, that were found.
        objects: true objects, over frames, that were to be seen.
    """

    def __init__(self) -> None:
        self.switches = self.sightings = self.objects = 0
        self._known: dict[int, int] = {}

    def see(self, truth: np.ndarray, labels: np.ndarray) -> None:
        """A frame: which true object and which found one each pixel shows, integers [H,W], 0 = background."""
        true_ids, found_ids, table = shared_pixels(truth[::STRIDE, ::STRIDE], labels[::STRIDE, ::STRIDE])
        for true_id, overlaps in zip(true_ids[1:].tolist(), iou(table)[0, 1:, 1:], strict=True):
            self.objects += 1
            if not len(overlaps) or overlaps.max() < MIN_IOU:
                continue
            self.sightings += 1
            found = int(found_ids[1:][overlaps.argmax()])
            self.switches += self._known.get(true_id, found) != found
            self._known[true_id] = found
