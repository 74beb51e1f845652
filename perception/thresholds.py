"""De-duplication that suits a model's weights, found on scenes whose truth is known."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perception.deduplication import DeduplicationSettings, merge_duplicates
from perception.score import image_miou

GRID = {
    "cosine": (0.8, 0.9, 0.97),
    "min_area": (0.005, 0.008, 0.012),
    "min_confidence": (0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85),
}


@dataclass(frozen=True)
class Quality:
    """Means over images: mIoU, and the share in which as many objects were found as there are."""

    miou: float
    right_count: float

    @property
    def score(self) -> float:
        """What is maximised: a robot needs good masks, and neither ghosts nor gaps."""
        return self.miou + self.right_count


def choose_settings(
    slots: Sequence[tuple[np.ndarray, np.ndarray]], truths: Sequence[np.ndarray]
) -> tuple[DeduplicationSettings, Quality]:
    """The settings of GRID with the best score, and how good they are.

    Args:
        slots: of each image what a Runtime gives: masks [K,H,W] and latents [K,D].
        truths: instance ids [H,W] of each, at the same resolution.
    """
    options = [
        DeduplicationSettings(**dict(zip(GRID, values, strict=True))) for values in itertools.product(*GRID.values())
    ]
    qualities = [measure(slots, truths, settings) for settings in options]
    best = max(range(len(options)), key=lambda i: qualities[i].score)
    return options[best], qualities[best]


def measure(
    slots: Sequence[tuple[np.ndarray, np.ndarray]], truths: Sequence[np.ndarray], settings: DeduplicationSettings
) -> Quality:
    """What the settings make of images, see choose_settings."""
    mious, right = [], []
    for (masks, latents), truth in zip(slots, truths, strict=True):
        merged = merge_duplicates(masks, latents, settings)
        mious.append(image_miou(truth, merged.probabilities.argmax(0)))
        right.append(len(merged.slots) == np.count_nonzero(np.unique(truth)))
    return Quality(float(np.mean(mious)), float(np.mean(right)))
