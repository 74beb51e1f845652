"""The paper's Table 2: by how much LDS lowers the inference gap of each image, and what that goes along with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lds_models.comparison.numbers import Summary, summarise
from lds_models.comparison.pairing import Group
from lds_models.comparison.paper import TABLE_2
from lds_models.measures import METRICS
from lds_models.metrics.pairs import gap_drop, pearson
from lds_models.metrics.statistics import Interval


@dataclass(frozen=True)
class Correlation:
    """Pearson's r of a measure of the model with LDS and the gap's drop, over images.

    Attributes:
        paper: what the paper reports, of MONet on CLE-MV; None of others.
    """

    label: str
    r: Interval
    paper: float | None


@dataclass(frozen=True)
class GapDrop:
    """dG+ of one group.

    Attributes:
        drop: float64 [N], G0 - G+ of each image in nats, on average over the seeds; NaN where a gap is not finite.
        mean: of all images and seeds.
        above: the share of the images in which the gap became smaller.
        correlations: by the measure's column, `mse` and `miou`, as far as they are defined.
    """

    drop: np.ndarray
    mean: Summary
    above: float
    correlations: dict[str, Correlation]


def gap_drops(group: Group) -> GapDrop | None:
    """None where a run of the group was evaluated without --inference-gap."""
    if not group.has("inference_gap"):
        return None
    drops = gap_drop(*group.values("inference_gap"))
    scenes = group.first.lds.columns["scene"]
    mean = summarise(drops, scenes)
    if mean is None:
        return None
    drop = drops.mean(0)
    finite = drop[np.isfinite(drop)]
    published = TABLE_2 if (group.data, group.label) == ("CLE-MV", "MONet") else {}
    correlations = {}
    for column in ("mse", "miou"):
        r = pearson(group.values(column)[1].mean(0), drop, scenes=scenes) if group.has(column) else None
        if r is not None:
            correlations[column] = Correlation(METRICS[column].label, r, published.get(column))
    return GapDrop(drop, mean, float((finite > 0).mean()), correlations)
