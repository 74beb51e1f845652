from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lds_models.metrics.pairs import gap_drop, pearson


def correlated(pairs: int, r: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    x, noise = np.random.default_rng(seed).normal(size=(2, pairs))
    return x, r * x + np.sqrt(1 - r**2) * noise


def test_the_drop_is_positive_where_the_gap_became_smaller():
    assert gap_drop(np.array([5.0, 7.0, np.nan]), [3.0, 9.0, 1.0])[:2].tolist() == [2, -2]
    assert np.isnan(gap_drop([np.nan], [1.0])[0])


def test_gaps_of_other_images_are_refused():
    with pytest.raises(ValueError, match="not of the same images"):
        gap_drop(np.zeros(3), np.zeros(4))


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_r_equals_scipys_whatever_the_units(scale):
    x, y = correlated(300, -0.3, seed=0)
    expected = stats.pearsonr(x, y).statistic
    assert pearson(scale * x + 1e3 * scale, y - 15_000).mean == pytest.approx(expected, abs=1e-9)


def test_the_interval_agrees_with_fishers_for_many_normal_pairs():
    x, y = correlated(2000, 0.2, seed=1)
    interval, fisher = pearson(x, y), stats.pearsonr(x, y).confidence_interval(0.95)
    assert interval.low == pytest.approx(fisher.low, abs=0.01)
    assert interval.high == pytest.approx(fisher.high, abs=0.01)


def test_images_of_one_scene_count_as_one_draw():
    x, y = correlated(200, 0.5, seed=2)
    scenes, once = np.repeat(np.arange(200), 10), pearson(x, y)
    repeated = pearson(np.repeat(x, 10), np.repeat(y, 10), scenes=scenes)
    assert (repeated.mean, repeated.low, repeated.high) == pytest.approx((once.mean, once.low, once.high))
    naive = pearson(np.repeat(x, 10), np.repeat(y, 10))
    assert naive.high - naive.low < 0.5 * (once.high - once.low)


def test_pairs_that_are_not_finite_are_left_out():
    x, y = correlated(50, 0.5, seed=3)
    assert pearson(np.append(x, [np.nan, 1.0]), np.append(y, [0.0, np.inf])) == pearson(x, y)


def test_without_two_pairs_or_without_variation_there_is_no_r():
    assert pearson([1.0, np.nan], [2.0, 3.0]) is None
    assert pearson([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]) is None


def test_a_perfect_correlation_stays_within_one():
    x = np.random.default_rng(4).normal(size=40)
    interval = pearson(x, 3 * x)
    assert (interval.low, interval.mean, interval.high) == pytest.approx((1, 1, 1))
    assert interval.high <= 1
