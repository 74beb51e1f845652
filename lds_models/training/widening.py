"""A curriculum over viewpoints: a multi-view model learns from near ones first, and from all in the end.

What a slot knows after one view is where its object is in that picture. A view from elsewhere shows it somewhere else,
and as long as the two hardly overlap, no gradient tells the model how a viewpoint moves things. Near views overlap.
"""

from __future__ import annotations

import numpy as np

_CANDIDATES = 1000  # viewpoints among which the most central one is sought
_FIRST = 0.05  # of the scenes are in use at the first step


class Widening:
    """Which scenes and views of a dataset are in use at a training step.

    These are the views within a radius around the most central viewpoint, and the scenes that have enough of them. The
    radius grows by a constant factor a step.

    Args:
        viewpoints: float [N,Dv]; their distance is Euclid's.
        first_view: [S+1], see PackedDataset.
        views: how many of each scene are needed.
        steps: after which all views are in use.
    """

    def __init__(self, viewpoints: np.ndarray, first_view: np.ndarray, views: int, steps: int) -> None:
        self._steps = steps
        self._distances = np.linalg.norm(viewpoints - _most_central(viewpoints), axis=1)
        of_scenes = np.split(self._distances, first_view[1:-1])
        reaches = np.array([np.partition(each, views - 1)[views - 1] for each in of_scenes])
        self._nearest_first = np.argsort(reaches, kind="stable")
        self._reaches = reaches[self._nearest_first]
        self._last = float(self._distances.max())
        self._first = max(float(np.quantile(reaches, _FIRST)), 1e-3 * self._last)

    def radius(self, step: int) -> float:
        """Of the viewpoints in use, around the most central one."""
        if step >= self._steps:
            return self._last
        return self._first * (self._last / self._first) ** (step / self._steps)

    def scenes(self, step: int) -> np.ndarray:
        """The numbers of the scenes in use, those with the nearest views first."""
        return self._nearest_first[: np.searchsorted(self._reaches, self.radius(step), side="right")]

    def views(self, step: int, rows: np.ndarray) -> np.ndarray:
        """Those of the views that are in use."""
        return rows[self._distances[rows] <= self.radius(step)]


def _most_central(viewpoints: np.ndarray) -> np.ndarray:
    """The viewpoint with the least median distance to all."""
    every = max(1, len(viewpoints) // _CANDIDATES)
    few = viewpoints[::every].astype(np.float64)
    distances = np.linalg.norm(few[:, None] - few, axis=-1)
    return few[np.median(distances, axis=1).argmin()]
