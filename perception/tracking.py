"""The same object keeps its id from frame to frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from perception.segmenter import Segmentation

MIN_SCORE = 0.35  # of 1: objects that match worse are different ones
STRIDE = 4  # overlaps are counted on every fourth row and column


class Tracker:
    """Gives the objects of each frame the ids that they had in the last frame, and new ids to new objects.

    Objects are matched one to one (Hungarian) so that the summed score is highest; the score of a pair is the mean of
    their masks' IoU and their latents' cosine similarity. Ids are not used again.
    """

    def __init__(self) -> None:
        self._last: Segmentation | None = None
        self._next_id = 1

    def update(self, segmentation: Segmentation) -> Segmentation:
        """The same segmentation with persistent ids, in labels and objects."""
        ids = self._ids(segmentation)
        lookup = np.zeros(max((o.id for o in segmentation.objects), default=0) + 1, np.int32)
        for segment, id_ in zip(segmentation.objects, ids, strict=True):
            lookup[segment.id] = id_
        objects = [replace(segment, id=id_) for segment, id_ in zip(segmentation.objects, ids, strict=True)]
        self._last = replace(
            segmentation, labels=lookup[segmentation.labels], objects=sorted(objects, key=lambda o: o.id)
        )
        return self._last

    def _ids(self, segmentation: Segmentation) -> list[int]:
        ids = [0] * len(segmentation.objects)
        if self._last is not None and self._last.labels.shape == segmentation.labels.shape:
            scores = _scores(segmentation, self._last)
            for new, old in zip(*linear_sum_assignment(scores, maximize=True), strict=True):
                if scores[new, old] >= MIN_SCORE:
                    ids[new] = self._last.objects[old].id
        for i, id_ in enumerate(ids):
            if not id_:
                ids[i], self._next_id = self._next_id, self._next_id + 1
        return ids


def _scores(new: Segmentation, old: Segmentation) -> np.ndarray:
    """How well each object of `new` matches each of `old`, float64 [N,M]."""
    scores = np.zeros((len(new.objects), len(old.objects)))
    new_labels, old_labels = (s.labels[::STRIDE, ::STRIDE] for s in (new, old))
    for i, a in enumerate(new.objects):
        for j, b in enumerate(old.objects):
            inside_a, inside_b = new_labels == a.id, old_labels == b.id
            union = np.count_nonzero(inside_a | inside_b)
            iou = np.count_nonzero(inside_a & inside_b) / max(union, 1)
            scores[i, j] = (iou + _cosine(a.latent, b.latent)) / 2
    return scores


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-8))
