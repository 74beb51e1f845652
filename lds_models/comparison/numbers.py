"""Measures without and with LDS: means, their spread over seeds, intervals over images, and paired differences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lds_models.comparison.pairing import Group
from lds_models.comparison.paper import SLOTS, TABLE_1
from lds_models.measures import Metric, metrics_of
from lds_models.metrics.statistics import bootstrap_mean


@dataclass(frozen=True)
class Summary:
    """The mean of a measure over images and seeds.

    Attributes:
        low, high: its 95 % bootstrap interval, each image's value averaged over the seeds, whole scenes drawn; NaN
            where there is only one scene.
        std, least, most: deviation (n - 1), lowest and highest of the seeds' means; NaN for one seed.
    """

    mean: float
    low: float
    high: float
    std: float
    least: float
    most: float
    seeds: int


@dataclass(frozen=True)
class Contrast:
    """A measure without LDS, with it, and the difference with - without of the same images and seeds.

    Attributes:
        paper: the paper's mean and spread, without and with, or None where it reports none.
    """

    name: str
    metric: Metric
    control: Summary
    lds: Summary
    difference: Summary
    paper: tuple[tuple[float, float], tuple[float, float]] | None

    @property
    def verdict(self) -> str:
        """better, worse, or unclear where the difference's interval holds 0 or seeds differ in its sign."""
        d = self.difference
        if not (d.low > 0 or d.high < 0) or d.least < 0 < d.most:
            return "unclear"
        return "better" if (d.mean > 0) == (self.metric.better == "higher") else "worse"


def summarise(values: np.ndarray, scenes: np.ndarray) -> Summary | None:
    """The summary of values [seeds,N] of images that belong to `scenes` [N]; None where no image has any."""
    of_images = bootstrap_mean(values.mean(0), 0, scenes)
    if of_images is None:
        return None
    of_seeds = values[:, np.isfinite(values).all(0)].mean(1)
    spread = (of_seeds.std(ddof=1), of_seeds.min(), of_seeds.max()) if len(of_seeds) > 1 else (np.nan,) * 3
    std, least, most = map(float, spread)
    return Summary(of_images.mean, of_images.low, of_images.high, std, least, most, len(of_seeds))


def contrasts(group: Group) -> dict[str, Contrast]:
    """The group's measures by their names in metrics.json, as far as all of its runs have them."""
    found = {}
    usual = group.first.lds.slots == group.first.lds.trained_slots == SLOTS
    published = TABLE_1.get((group.first.lds.data_name, group.first.lds.model), {}) if usual else {}
    for name, metric in metrics_of(group.has("observed"), group.has("inference_gap")).items():
        if not group.has(metric.column):
            continue
        rows = rows_of(group, metric.over)
        control, lds = (values[:, rows] for values in group.values(metric.column))
        scenes = group.first.lds.columns["scene"][rows]
        of_control, of_lds, difference = (summarise(values, scenes) for values in (control, lds, lds - control))
        if of_control and of_lds and difference:
            found[name] = Contrast(name, metric, of_control, of_lds, difference, published.get(name))
    return found


def rows_of(group: Group, over: str) -> np.ndarray:
    """Which images a measure is the mean over, bool [N]; see `Metric.over`."""
    columns = group.first.control.columns
    if over == "scenes":
        return columns["view"] == 0
    if over in ("observed", "unseen"):
        return columns["observed"] == (over == "observed")
    return np.ones(len(columns["view"]), bool)
