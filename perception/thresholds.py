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
    "min_confidence": (0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.94),
}


def choose_settings(slots: Sequence[Slots], truths: np.ndarray) -> tuple[DeduplicationSettings, Quality]:
    """The settings of GRID with the best score, and how good they are.

    Args:
        slots, truths: of the same images, see `quality.labelled_slots`.
    """
    usual, values = DeduplicationSettings(), itertools.product(*GRID.values())
    options = [usual.changed(dict(zip(GRID, each, strict=True))) for each in values]
    qualities = [of_objects(slots, truths, settings) for settings in options]
    best = max(range(len(options)), key=lambda i: _score(qualities[i]))
    return options[best], qualities[best]


def _score(quality: Quality) -> float:
    """A robot needs good masks, neither ghosts nor gaps, and nothing twice."""
    return quality.miou + quality.right_count - quality.duplicate_rate
