from __future__ import annotations

import numpy as np
import pytest

from lds_models.metrics.statistics import bootstrap_mean


def test_the_interval_agrees_with_the_normal_one_for_many_values():
    values = np.random.default_rng(0).normal(2.0, 0.5, 2000)
    interval = bootstrap_mean(values, seed=0)
    half = 1.96 * values.std(ddof=1) / np.sqrt(len(values))
    assert interval.mean == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_the_interval_covers_the_true_mean_about_95_times_in_100():
    rng = np.random.default_rng(1)
    intervals = [bootstrap_mean(rng.exponential(size=100), seed=0) for _ in range(200)]
    covered = np.mean([i.low <= 1.0 <= i.high for i in intervals])
    assert 0.89 <= covered <= 0.99


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(2).random(50)
    assert bootstrap_mean(values, seed=3) == bootstrap_mean(values, seed=3)
    assert bootstrap_mean(values, seed=3) != bootstrap_mean(values, seed=4)


def test_undefined_values_are_left_out_and_none_at_all_gives_none():
    assert bootstrap_mean(np.array([1.0, np.nan, 1.0]), seed=0).mean == 1.0
    assert bootstrap_mean(np.array([np.nan, np.nan]), seed=0) is None


def test_one_value_has_a_mean_but_no_interval():
    interval = bootstrap_mean(np.array([0.5]), seed=0)
    assert interval.mean == 0.5 and np.isnan(interval.low) and np.isnan(interval.high)


def test_equal_values_have_an_interval_of_no_width():
    interval = bootstrap_mean(np.full(10, 0.25), seed=0)
    assert (interval.low, interval.mean, interval.high) == (0.25, 0.25, 0.25)
