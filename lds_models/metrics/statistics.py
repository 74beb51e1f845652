"""Means with intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

RESAMPLES = 5_000


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % interval; the bounds are NaN where fewer than two values were measured."""

    mean: float
    low: float
    high: float


def bootstrap_mean(values: np.ndarray, seed: int) -> Interval | None:
    """The mean of the finite values and its 95 % percentile bootstrap interval (Efron 1979).

    Args:
        values: [N], one value an image; NaN where the measure is not defined for that image.

    Returns:
        None where no value is finite.
    """
    values = np.asarray(values, np.float64)
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return None
    if len(values) == 1:
        return Interval(float(values[0]), np.nan, np.nan)
    low, high = stats.bootstrap(
        (values,), np.mean, n_resamples=RESAMPLES, batch=500, method="percentile", rng=np.random.default_rng(seed)
    ).confidence_interval
    return Interval(float(values.mean()), float(low), float(high))
