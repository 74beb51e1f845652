"""The same object keeps its id from frame to frame, and over a moment in which it is hidden."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

from perception.likeness import cosines
from perception.segmentation import ObjectSegment, Segmentation

MIN_SCORE = 0.35  # of 1: objects that match worse are different ones
MEMORY = 1.5  # seconds for which an object that is not seen is remembered
STRIDE = 4  # overlaps are counted on every fourth row and column
MAX_OBJECTS = 255  # in one frame


@dataclass(frozen=True)
class _Track:
    """What is known of an object: where it was seen last, bool [h,w] on the coarse grid, when, and how it looked."""

    mask: np.ndarray
    seen: float
    latent: np.ndarray


class Tracker:
    """Gives the objects of each frame the ids that they had before, and new ids to new objects.

    Objects are matched one to one (Hungarian) with those that were seen within `MEMORY`, so that the summed score is
    highest; the score of a pair is the mean of their masks' IoU and their latents' cosine similarity. Ids are not used
    again.
    """

    def __init__(self) -> None:
        self._tracks: dict[int, _Track] = {}
        self._next_id = 1

    def update(self, segmentation: Segmentation, stamp: float) -> Segmentation:
        """The same segmentation, as a `Segmenter` gives it, with persistent ids in labels and objects.

        Args:
            stamp: seconds; where it goes back, as when a recording is played again, nothing is remembered.
        """
        coarse = segmentation.labels[::STRIDE, ::STRIDE]
        self._let_go(stamp, coarse.shape)
        masks = [coarse == segment.id for segment in segmentation.objects]
        ids = self._known_ids(segmentation.objects, masks)
        for i, id_ in enumerate(ids):
            if not id_:
                ids[i], self._next_id = self._next_id, self._next_id + 1
        for id_, mask, segment in zip(ids, masks, segmentation.objects, strict=True):
            self._tracks[id_] = _Track(mask, stamp, segment.latent)
        lookup = np.zeros(MAX_OBJECTS + 1, np.int32)
        lookup[[segment.id for segment in segmentation.objects]] = ids
        objects = [replace(segment, id=id_) for segment, id_ in zip(segmentation.objects, ids, strict=True)]
        return replace(
            segmentation,
            labels=cv2.LUT(segmentation.labels.astype(np.uint8), lookup),
            objects=sorted(objects, key=lambda segment: segment.id),
        )

    def forget(self) -> None:
        """Know no object again: all that are seen from now on are new ones."""
        self._tracks = {}

    def _let_go(self, stamp: float, shape: tuple[int, ...]) -> None:
        """Let go of what was seen too long ago, at another resolution, or in a time that is yet to come."""
        self._tracks = {
            id_: track
            for id_, track in self._tracks.items()
            if 0 <= stamp - track.seen <= MEMORY and track.mask.shape == shape
        }

    def _known_ids(self, objects: list[ObjectSegment], masks: list[np.ndarray]) -> list[int]:
        """For each object the id of the track that it goes on with, or 0."""
        ids, known = [0] * len(objects), list(self._tracks)
        if not objects or not known:
            return ids
        tracks = [self._tracks[id_] for id_ in known]
        overlaps = _overlaps(np.stack(masks), np.stack([track.mask for track in tracks]))
        latents = np.stack([segment.latent for segment in objects]), np.stack([track.latent for track in tracks])
        scores = (overlaps + cosines(*latents)) / 2
        for new, old in zip(*linear_sum_assignment(scores, maximize=True), strict=True):
            if scores[new, old] >= MIN_SCORE:
                ids[new] = known[old]
        return ids


def _overlaps(new: np.ndarray, old: np.ndarray) -> np.ndarray:
    """IoU of each mask of `new`, bool [N,h,w], with each of `old`, bool [M,h,w]; float32 [N,M]."""
    a, b = (masks.reshape(len(masks), -1).astype(np.float32) for masks in (new, old))
    both = a @ b.T
    return both / np.maximum(a.sum(1)[:, None] + b.sum(1) - both, 1)
