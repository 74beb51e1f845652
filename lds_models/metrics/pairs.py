"""Measures of a pair: the same model on the same images, trained without LDS (0) and with it (+)."""

from __future__ import annotations

import numpy as np

from lds_models.metrics.statistics import Interval, bootstrap


def gap_drop(gaps0: np.ndarray, gaps1: np.ndarray) -> np.ndarray:
    """dG+ = G0 - G+ in nats (LDS paper, section 3.3): positive where the model with LDS infers the better posterior.

    Args:
        gaps0, gaps1: inference gaps of the same images, without LDS and with it, [...,N] each.

    Raises:
        ValueError: they are of different shapes.
    """
    gaps0, gaps1 = np.asarray(gaps0, np.float64), np.asarray(gaps1, np.float64)
    if gaps0.shape != gaps1.shape:
        raise ValueError(f"gaps {list(gaps0.shape)} and {list(gaps1.shape)} are not of the same images")
    return gaps0 - gaps1


def pearson(x: np.ndarray, y: np.ndarray, seed: int = 0, scenes: np.ndarray | None = None) -> Interval | None:
    """Pearson's correlation r of two measures of images, with its 95 % bootstrap interval over pairs.

    Args:
        x, y: [N]; pairs in which either is not finite are left out.
        scenes: [N], the scene of each image: see `bootstrap`.

    Returns:
        r as the interval's `mean`; None where fewer than two pairs are left, or one of the measures is constant.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    finite = np.isfinite(x) & np.isfinite(y)
    x, y = x[finite], y[finite]
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    # r does not depend on place and scale, but the digits that sums of squares lose do.
    x, y = ((values - values.mean()) / values.std() for values in (x, y))
    terms = np.stack([np.ones(len(x)), x, y, x * x, y * y, x * y])
    return bootstrap(terms, _correlation, seed, None if scenes is None else scenes[finite])


def _correlation(
    n: np.ndarray, x: np.ndarray, y: np.ndarray, xx: np.ndarray, yy: np.ndarray, xy: np.ndarray
) -> np.ndarray:
    """Pearson's r from sums over n pairs; 0 where one of the measures is constant, as in a resample of one pair."""
    variances = np.maximum(n * xx - x * x, 0) * np.maximum(n * yy - y * y, 0)
    covariance = n * xy - x * y
    return np.clip(covariance / np.sqrt(np.where(variances > 0, variances, np.inf)), -1, 1)
