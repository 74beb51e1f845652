"""A comparison as files that other programs read: comparison.json, CSV tables, figures as PNG."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets.atomic import whole_file
from lds_models.comparison import paper
from lds_models.comparison.charts import key
from lds_models.comparison.compared import Compared, Comparison
from lds_models.comparison.grids import SidePanel
from lds_models.comparison.numbers import Contrast
from lds_models.comparison.pairing import Ablation
from lds_models.comparison.runs import EvaluatedRun
from lds_models.figures import grid, save_png
from lds_models.measures import METRICS
from lds_models.results import finite, software_versions, write_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_files(comparison: Comparison, charts: Mapping[str, Figure], out: Path) -> None:
    """Write all but the page into `out`."""
    with whole_file(out / "comparison.json") as temporary:
        temporary.write_text(json.dumps(_document(comparison), indent=2, allow_nan=False) + "\n")
    _write_csv(out / "measures.csv", _measure_rows(comparison))
    for name, rows in (("gap_drop.csv", _gap_rows(comparison)), ("ablation.csv", _ablation_rows(comparison.ablations))):
        (out / name).unlink(missing_ok=True)  # an earlier comparison's
        if listed := list(rows):
            _write_csv(out / name, listed)
    figures = dict(charts)
    for one in comparison.compared:
        if one.grid.examples:
            figures[f"figure2_{key(one.group)}"] = grid(
                [
                    (f"{example.reason}\n{side.run.name}\n{measured(side)}", side.panel)
                    for example in one.grid.examples
                    for side in example.sides
                ]
            )
    for name, figure in figures.items():
        save_png(figure, out / "figures" / f"{name}.png")


def measured(side: SidePanel) -> str:
    """What stands beside a panel: its mIoU, or its MSE without masks."""
    name = "miou" if "miou" in side.measures else "mse"
    return f"{METRICS[name].label} {side.measures[name]:{METRICS[name].spec}}"


def _document(comparison: Comparison) -> dict[str, Any]:
    return {
        "paper": {"source": paper.PAPER, "seeds": paper.SEEDS, "steps": paper.STEPS},
        "compared": [_compared(one) for one in comparison.compared],
        "ablations": [dict(row) for row in _ablation_rows(comparison.ablations)],
        "warnings": list(comparison.warnings),
        "versions": software_versions(),
    }


def _compared(one: Compared) -> dict[str, Any]:
    return {
        "model": one.group.first.lds.config.name,
        "label": one.group.label,
        "data": one.group.data,
        "seeds": one.group.seeds,
        "images": len(one.group.first.lds.images),
        "runs": [_run(run) for run in one.group.runs],
        "measures": {name: _contrast(contrast) for name, contrast in one.contrasts.items()},
        "gap_drop": None if one.gap is None else finite(
            {
                **asdict(one.gap.mean),
                "unit": one.gap.unit,
                "share_above_0": one.gap.above,
                "pearson": {column: asdict(found) for column, found in one.gap.correlations.items()},
            }
        ),
    }  # fmt: skip


def _run(run: EvaluatedRun) -> dict[str, Any]:
    keys = ("weights", "weights_digest", "data", "data_digest", "split", "command")
    facts = {"folder": str(run.folder), "lds_weight": run.config.lds_weight, "lds_std": run.config.lds_std}
    trained = {"seed": run.seed, "steps": run.steps, "trained_slots": run.trained_slots, "slots": run.slots}
    return facts | trained | {key: run.document[key] for key in keys}


def _contrast(contrast: Contrast) -> dict[str, Any]:
    arms = ("control", "lds", "difference")
    published = None
    if contrast.paper:
        pairs = zip(("control", "lds"), contrast.paper, strict=True)
        published = {arm: {"mean": mean, "std": std} for arm, (mean, std) in pairs}
    numbers = {arm: finite(asdict(getattr(contrast, arm))) for arm in arms}
    return numbers | {"verdict": contrast.verdict, "paper": published}


def _measure_rows(comparison: Comparison) -> Iterable[dict[str, Any]]:
    """One row a model, dataset, measure and arm."""
    for one in comparison.compared:
        for name, contrast in one.contrasts.items():
            for index, arm in enumerate(("control", "lds", "difference")):
                published = contrast.paper[index] if contrast.paper and index < 2 else (None, None)
                yield {
                    "data": one.group.data, "model": one.group.label, "measure": name, "arm": arm,
                    **asdict(getattr(contrast, arm)), "paper_mean": published[0], "paper_std": published[1],
                }  # fmt: skip


def _gap_rows(comparison: Comparison) -> Iterable[dict[str, Any]]:
    """One row a dot of Table 2's scatter: an image, or a scene of a multi-view model."""
    for one in comparison.compared:
        if one.gap is None:
            continue
        gaps = {"gap_control": one.gap.control, "gap_lds": one.gap.lds, "gap_drop": one.gap.drop}
        columns = gaps | {column: one.gap.measures.get(column) for column in ("mse", "miou")}
        for index, (scene, view) in enumerate(one.gap.names):
            row = {"data": one.group.data, "model": one.group.label, "scene": scene, "view": view}
            yield row | {name: None if values is None else values[index] for name, values in columns.items()}


def _ablation_rows(ablations: Iterable[Ablation]) -> Iterable[dict[str, Any]]:
    """One row a run that an ablation compares."""
    for ablation in ablations:
        for run in ablation.runs:
            found = [name for name in ("miou", "mse") if name in run.columns]
            means = dict.fromkeys(("miou", "mse")) | {name: float(run.columns[name].mean()) for name in found}
            yield {
                "data": ablation.data, "model": ablation.label, "sigma": run.config.lds_std,
                "trained_slots": run.trained_slots, "slots": run.slots, "seed": run.seed, **means,
                "folder": str(run.folder),
            }  # fmt: skip


def _write_csv(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Rows of the same keys; those are the header."""
    listed = list(rows)
    write_table(path, listed[0] if listed else (), (row.values() for row in listed))
