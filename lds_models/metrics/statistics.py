"""Estimates with intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

RESAMPLES = 5_000


@dataclass(frozen=True)
class Interval:
    """An estimate, a mean but where it is said otherwise, and its 95 % interval.

    The bounds are NaN where fewer than two values were measured, or two scenes.
    """

    mean: float
    low: float
    high: float


def bootstrap_mean(values: np.ndarray, seed: int, scenes: np.ndarray | None = None) -> Interval | None:
    """The mean of the finite values and its 95 % percentile bootstrap interval (Efron 1979).

    Args:
        values: [N], one value an image; NaN where the measure is not defined for that image.
        scenes: [N], the scene of each image: see `bootstrap`.

    Returns:
        None where no value is finite.
    """
    values = np.asarray(values, np.float64)
    finite = np.isfinite(values)
    if not finite.any():
        return None
    terms = np.stack([values[finite], np.ones(finite.sum())])
    return bootstrap(terms, lambda total, count: total / count, seed, None if scenes is None else scenes[finite])


def bootstrap(
    terms: np.ndarray, statistic: Callable[..., np.ndarray], seed: int, scenes: np.ndarray | None = None
) -> Interval:
    """A statistic of sums over images and its 95 % percentile bootstrap interval.

    Images of one scene are alike, and as draws of their own they would make the interval too narrow: where `scenes`
    says which belong together, whole scenes are drawn (the cluster bootstrap, Davison and Hinkley 1997, section 3.8).

    Args:
        terms: [T,N], what is summed.
        statistic: of T sums.
        scenes: [N], any labels; each image by itself where None.
    """
    if scenes is not None:
        labels, members = np.unique(scenes, return_inverse=True)
        terms = np.stack([np.bincount(members, term, len(labels)) for term in terms])
    estimate = float(statistic(*terms.sum(1)))
    if terms.shape[1] < 2:
        return Interval(estimate, np.nan, np.nan)
    low, high = stats.bootstrap(
        tuple(terms),
        lambda *resampled, axis: statistic(*(term.sum(axis) for term in resampled)),
        paired=True, n_resamples=RESAMPLES, batch=500, method="percentile", rng=np.random.default_rng(seed),
    ).confidence_interval  # fmt: skip
    return Interval(estimate, float(low), float(high))
