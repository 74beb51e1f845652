"""The paper's Table 2: by how much LDS lowers the inference gap of each image, and what that goes along with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lds_models.comparison.numbers import Summary, rows_of, summarise
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
    """dG+ of one group: of each image, or of each scene where the model is a multi-view one.

    Attributes:
        unit: image or scene.
        names: scene and view of each; a scene stands under its first view.
        control, lds, drop: float64 [N], G0, G+ and G0 - G+ in nats, on average over the seeds.
        measures: `mse` and, with masks, `miou` of the model with LDS, float64 [N], on average over seeds and views.
        mean: of dG+.
        above: the share in which the gap became smaller.
        correlations: by the measure's column, `mse` and `miou`, as far as they are defined.
    """

    unit: str
    names: list[tuple[str, int]]
    control: np.ndarray
    lds: np.ndarray
    drop: np.ndarray
    measures: dict[str, np.ndarray]
    mean: Summary
    above: float
    correlations: dict[str, Correlation]


def gap_drops(group: Group) -> GapDrop | None:
    """None where a run of the group was evaluated without --inference-gap."""
    if not group.has("inference_gap"):
        return None
    unit = "scene" if group.has("observed") else "image"
    rows = rows_of(group, f"{unit}s")
    control, lds = (values[:, rows] for values in group.values("inference_gap"))
    scenes = group.first.lds.columns["scene"][rows]
    mean = summarise(gap_drop(control, lds), scenes)
    if mean is None:
        return None
    drop = gap_drop(control, lds).mean(0)
    measures = {column: _by_unit(group, column, rows) for column in ("mse", "miou") if group.has(column)}
    published = TABLE_2 if (group.first.lds.data_name, group.label) == ("CLE-MV", "MONet") else {}
    correlations = {}
    for column, values in measures.items():
        r = pearson(values, drop, scenes=scenes)
        if r is not None:
            correlations[column] = Correlation(METRICS[column].label, r, published.get(column))
    above = float((drop[np.isfinite(drop)] > 0).mean())
    names = [name for name, row in zip(group.first.lds.images, rows, strict=True) if row]
    return GapDrop(unit, names, control.mean(0), lds.mean(0), drop, measures, mean, above, correlations)


def _by_unit(group: Group, column: str, rows: np.ndarray) -> np.ndarray:
    """A column of the model with LDS, on average over the seeds and over the images from each of `rows` to the next."""
    values = group.values(column)[1].mean(0)
    starts = np.flatnonzero(rows)
    return np.add.reduceat(values, starts) / np.diff([*starts, len(values)])
