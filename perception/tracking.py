"""The same object keeps its id from frame to frame."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

from lds_models.metrics.segmentation import contingency, iou
from perception.segmenter import Segmentation

MIN_SCORE = 0.35  # of 1: objects that match worse are different ones
STRIDE = 4  # overlaps are counted on every fourth row and column
MAX_OBJECTS = 255  # in one frame


class Tracker:
    """Gives the objects of each frame the ids that they had in the last frame, and new ids to new objects.

    Objects are matched one to one (Hungarian) so that the summed score is highest; the score of a pair is the mean of
    their masks' IoU and their latents' cosine similarity. Ids are not used again.
    """

    def __init__(self) -> None:
        self._last: Segmentation | None = None
        self._last_ids: list[int] = []
        self._next_id = 1

    def update(self, segmentation: Segmentation) -> Segmentation:
        """The same segmentation, as a `Segmenter` gives it, with persistent ids in labels and objects."""
        ids = self._known_ids(segmentation)
        for i, id_ in enumerate(ids):
            if not id_:
                ids[i], self._next_id = self._next_id, self._next_id + 1
        self._last, self._last_ids = segmentation, ids
        lookup = np.zeros(MAX_OBJECTS + 1, np.int32)
        lookup[[segment.id for segment in segmentation.objects]] = ids
        objects = [replace(segment, id=id_) for segment, id_ in zip(segmentation.objects, ids, strict=True)]
        return replace(
            segmentation,
            labels=cv2.LUT(segmentation.labels.astype(np.uint8), lookup),
            objects=sorted(objects, key=lambda segment: segment.id),
        )

    def _known_ids(self, segmentation: Segmentation) -> list[int]:
        """For each object the id that it had in the last frame, or 0."""
        ids = [0] * len(segmentation.objects)
        if self._last is None or self._last.labels.shape != segmentation.labels.shape:
            return ids
        scores = (_overlaps(segmentation, self._last) + _cosines(segmentation, self._last)) / 2
        for new, old in zip(*linear_sum_assignment(scores, maximize=True), strict=True):
            if scores[new, old] >= MIN_SCORE:
                ids[new] = self._last_ids[old]
        return ids


def _overlaps(new: Segmentation, old: Segmentation) -> np.ndarray:
    """IoU of each object of `new` with each of `old`, float64 [N,M]."""
    new_ids, old_ids = ([segment.id for segment in frame.objects] for frame in (new, old))
    labels = (frame.labels[None, ::STRIDE, ::STRIDE] for frame in (new, old))
    table = contingency(*labels, max(new_ids, default=0) + 1, max(old_ids, default=0) + 1)
    return iou(table)[0][np.ix_(new_ids, old_ids)]


def _cosines(new: Segmentation, old: Segmentation) -> np.ndarray:
    """Cosine similarity of the latents of each object of `new` and each of `old`, float64 [N,M]."""
    scores = np.zeros((len(new.objects), len(old.objects)))
    for i, a in enumerate(new.objects):
        for j, b in enumerate(old.objects):
            lengths = np.linalg.norm(a.latent) * np.linalg.norm(b.latent)
            scores[i, j] = a.latent @ b.latent / max(lengths, 1e-8)
    return scores
