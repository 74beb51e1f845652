"""De-duplication that suits a model's weights, found on scenes whose truth is known."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from perception.deduplication import DeduplicationSettings
from perception.quality import Quality, Slots, of_objects

GRID = {
    "cosine": (0.8, 0.9, 0.97),
    "chroma": (0.0, 0.1, 0.16),
    "min_area": (0.005, 0.01),
    "min_confidence": (0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85),
}


def choose_settings(
    slots: Sequence[Slots], truths: np.ndarray
) -> tuple[DeduplicationSettings, Quality]:
    """The settings of GRID with the best mIoU + share of right numbers of objects, and how good they are.

    A robot needs good masks, and neither ghosts nor gaps.

    Args:
        slots, truths: of the same images, see `quality.labelled_slots`.
    """
    options = [
        DeduplicationSettings(**dict(zip(GRID, values, strict=True))) for values in itertools.product(*GRID.values())
    ]
    qualities = [of_objects(slots, truths, settings) for settings in options]
    best = max(range(len(options)), key=lambda i: qualities[i].miou + qualities[i].right_count)
    return options[best], qualities[best]
