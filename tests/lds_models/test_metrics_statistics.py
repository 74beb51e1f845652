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


def test_views_of_one_scene_count_as_one_draw():
    of_scenes = np.random.default_rng(4).normal(size=60)
    scenes, once = np.repeat([f"scene_{n}" for n in range(60)], 10), bootstrap_mean(of_scenes, seed=0)
    repeated = bootstrap_mean(np.repeat(of_scenes, 10), seed=0, scenes=scenes)
    assert (repeated.mean, repeated.low, repeated.high) == pytest.approx((once.mean, once.low, once.high), rel=0.1)
    naive = bootstrap_mean(np.repeat(of_scenes, 10), seed=0)
    assert naive.high - naive.low < 0.4 * (repeated.high - repeated.low)


def test_the_interval_over_scenes_covers_the_true_mean_about_95_times_in_100_where_that_over_views_does_not():
    rng = np.random.default_rng(5)
    scenes = np.repeat(np.arange(40), 5)
    covered = {"scenes": [], "views": []}
    for _ in range(60):
        values = (rng.normal(size=(40, 1)) + 0.3 * rng.normal(size=(40, 5))).ravel()
        for over, labels in (("scenes", scenes), ("views", None)):
            interval = bootstrap_mean(values, seed=0, scenes=labels)
            covered[over].append(interval.low <= 0 <= interval.high)
    assert 0.87 <= np.mean(covered["scenes"]) <= 1
    assert np.mean(covered["views"]) < 0.8


def test_the_mean_is_over_views_also_where_scenes_have_different_numbers_of_them():
    interval = bootstrap_mean(np.array([0.0, 1.0, 1.0, np.nan, 1.0]), seed=0, scenes=np.array([0, 1, 1, 1, 2]))
    assert interval.mean == 0.75 and interval.low == 0 and interval.high == 1


def test_one_scene_has_a_mean_but_no_interval():
    interval = bootstrap_mean(np.array([0.25, 0.75]), seed=0, scenes=np.array([3, 3]))
    assert interval.mean == 0.5 and np.isnan(interval.low) and np.isnan(interval.high)
