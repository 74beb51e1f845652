"""How good what was found in labelled images is, and the slots that it is found from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from datasets.scene import DatasetError, Scene
from datasets.square import square
from lds_models.metrics.duplicates import OVERLAP_SHARE, min_pixels, overlap_score, visible_slots
from lds_models.metrics.segmentation import contingency, miou
from lds_models.metrics.statistics import Interval, bootstrap_mean
from perception.deduplication import DeduplicationSettings, merge_duplicates
from perception.segmenter import Segmenter


class Slots(NamedTuple):
    """What a model makes of an image: masks float32 [K,H,W], latents float32 [K,D], and the image, uint8 [H,W,3]."""

    masks: np.ndarray
    latents: np.ndarray
    image: np.ndarray


class Labelled(NamedTuple):
    """Labelled images: what a model makes of each, true ids int [N,H,W], and which scene each shows, [N]."""

    slots: list[Slots]
    truths: np.ndarray
    scenes: np.ndarray


@dataclass(frozen=True)
class Quality:
    """Of N images.

    Attributes:
        mious: float [N], mIoU of each, background included.
        right_counts: bool [N], whether the number of objects is right.
        duplicates: bool [N], whether two slots, or objects, show one thing: they share the background, or a true
            object. By the rule of `lds eval`, but that the background's slot is no object's duplicate: where it takes a
            part of one, a mask is too small.
    """

    mious: np.ndarray
    right_counts: np.ndarray
    duplicates: np.ndarray

    @property
    def miou(self) -> float:
        return float(self.mious.mean())

    @property
    def right_count(self) -> float:
        """Share of images."""
        return float(self.right_counts.mean())

    @property
    def duplicate_rate(self) -> float:
        """Share of images."""
        return float(self.duplicates.mean())

    def intervals(self, scenes: np.ndarray, seed: int = 0) -> dict[str, Interval]:
        """The three means with 95 % intervals, by their names here; `scenes` [N] says which images belong together."""
        values = {"miou": self.mious, "right_count": self.right_counts, "duplicate_rate": self.duplicates}
        found = {name: bootstrap_mean(each, seed, scenes) for name, each in values.items()}
        return {name: interval for name, interval in found.items() if interval is not None}


def labelled_slots(
    segmenter: Segmenter, scenes: Iterable[Scene], progress: Callable[[int], None] = lambda scenes: None
) -> Labelled:
    """What a model makes of every view, one scene after another, at the model's resolution.

    A multi-view model sees a scene's views one after another, as before a moving camera, and knows nothing at first.

    Raises:
        DatasetError: a scene has no masks, or a multi-view model no poses.
    """
    slots, truths, shown = [], [], []
    for scene in scenes:
        if scene.masks is None:
            raise DatasetError(f"{scene.name} has no masks to measure by")
        if segmenter.memory is not None:
            if scene.T_world_camera is None:
                raise DatasetError(f"{scene.name} has no poses, which {segmenter.name} needs")
            segmenter.memory.reset()
        for view, whole in enumerate(scene.images):
            pose = None if scene.T_world_camera is None else scene.T_world_camera[view]
            image = square(whole, segmenter.image_size)
            slots.append(Slots(*segmenter.slots(image, pose), image))
            truths.append(square(scene.masks[view], segmenter.image_size))
            shown.append(scene.name)
        progress(1)
    return Labelled(slots, np.stack(truths), np.array(shown))


def of_slots(slots: Sequence[Slots], truths: np.ndarray) -> Quality:
    """Of the slots as they are: each wins pixels, and one that wins more than noise is an object or the background."""
    winners = np.stack([each.masks.argmax(0) for each in slots])
    counts = visible_slots(winners, len(slots[0].masks)).sum(1) - 1
    return _quality(winners, counts, truths)


def of_objects(slots: Sequence[Slots], truths: np.ndarray, settings: DeduplicationSettings) -> Quality:
    """Of the objects that de-duplication makes of the slots."""
    merged = [merge_duplicates(each.masks, each.latents, settings, each.image) for each in slots]
    labels = np.stack([each.probabilities.argmax(0) for each in merged])
    return _quality(labels, np.array([len(each.slots) for each in merged]), truths)


def before_and_after(labelled: Labelled, settings: DeduplicationSettings) -> dict[str, dict[str, Interval]]:
    """How good the `slots` are, and the `objects` that de-duplication makes of them: see `Quality.intervals`."""
    slots, truths, scenes = labelled
    qualities = {"slots": of_slots(slots, truths), "objects": of_objects(slots, truths, settings)}
    return {what: quality.intervals(scenes) for what, quality in qualities.items()}


def _quality(labels: np.ndarray, counts: np.ndarray, truths: np.ndarray) -> Quality:
    table = contingency(truths, labels, int(truths.max()) + 1, int(labels.max()) + 1)
    shared = overlap_score(_without_background(table), min_pixels(*truths.shape[1:])) >= OVERLAP_SHARE
    right = counts == (table.sum(2)[:, 1:] > 0).sum(1)
    return Quality(miou(table), right, shared)


def _without_background(table: np.ndarray) -> np.ndarray:
    """A contingency table [N,R,K] in which the slot that holds most of the background holds nothing of the objects."""
    table, images = table.copy(), np.arange(len(table))
    regions = np.arange(1, table.shape[1])
    table[images[:, None], regions, table[:, 0].argmax(1)[:, None]] = 0
    return table
