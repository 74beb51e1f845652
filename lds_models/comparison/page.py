"""A comparison as one HTML page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets.atomic import whole_file
from datasets.page import page_template
from lds_models import figures, pictures
from lds_models.comparison import charts, paper, wording
from lds_models.comparison.compared import Compared, Comparison
from lds_models.comparison.curves import SHOWN
from lds_models.comparison.grids import SideBySide
from lds_models.comparison.numbers import Contrast
from lds_models.comparison.pairing import Ablation, Group
from lds_models.comparison.runs import EvaluatedRun
from lds_models.comparison.wording import signed, signed_nats
from lds_models.measures import METRICS, VIEW_METRICS
from lds_models.metrics.duplicates import LATENT_COSINE
from lds_models.metrics.inference_gap import GAP_SAMPLES
from lds_models.report import SHOWN_DIGEST, TEMPLATES
from lds_models.results import software_versions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TABLE_1 = ("mse", "miou")
TABLE_1_SPEC = ".4f"  # as many digits as the paper gives
VERDICTS = {"better": "better with LDS", "worse": "worse with LDS", "unclear": "no clear difference"}
HEADLINE = ("miou", "mse", "duplicate_rate", "sim", "duplicate_rate_latent")
HEADLINE_COUNT = 4


def write_page(comparison: Comparison, drawn: Mapping[str, Figure], out: Path) -> None:
    """Write the page; the tables beside it in `out` are linked from it."""
    from markupsafe import Markup

    svgs = {name: Markup(figures.themed_svg(figure, name)) for name, figure in drawn.items()}
    groups = [one.group for one in comparison.compared]
    subjects: list[Group | Ablation] = [*groups, *comparison.ablations]
    seeds = [len(group.seeds) for group in groups] + [len(same) for a in comparison.ablations for same in a.settings]
    page = page_template(TEMPLATES / "comparison.html.j2", data_uri=pictures.data_uri).render(
        subjects=[f"{one.label} on {one.data}" for one in subjects],
        warnings=comparison.warnings,
        headline=_headline(comparison),
        whiskers=wording.spread_words("Whiskers", seeds),
        spread=wording.spread_words("Beside each value", seeds),
        latent_cosine=LATENT_COSINE,
        datasets=[_dataset(data, compared, svgs) for data, compared in comparison.by_data.items()],
        models=[_model(one, svgs) for one in comparison.compared],
        ablations=[
            {"name": f"{a.label} on {a.data}", "charts": _under(svgs, f"ablation_{charts.key(a)}_")}
            for a in comparison.ablations
        ],
        chart_titles=_chart_titles(),
        rule=pictures.duplicate_rule(all(group.has("miou") for group in groups)),
        paper={
            "name": paper.PAPER,
            "steps": wording.grouped(paper.STEPS),
            "seeds": paper.SEEDS,
            "gap_samples": GAP_SAMPLES,
        },
        runs=_runs(comparison),
        files=sorted(path.name for path in out.iterdir() if path.suffix in (".json", ".csv")),
        versions=software_versions(),
    )
    with whole_file(comparison.page) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _headline(comparison: Comparison) -> list[dict[str, str]]:
    """Of one model its measures, of several each one's mIoU (or MSE): without -> with LDS."""
    if len(comparison.compared) == 1:
        found = comparison.compared[0].contrasts
        return [_tile(found[name].metric.label, found[name]) for name in HEADLINE if name in found][:HEADLINE_COUNT]
    tiles = []
    for one in comparison.compared:
        contrast = one.contrasts.get("miou", one.contrasts["mse"])
        tiles.append(_tile(f"{one.group.label} on {one.group.data}, {contrast.metric.label}", contrast))
    return tiles


def _tile(label: str, contrast: Contrast) -> dict[str, str]:
    spec, difference = contrast.metric.spec, contrast.difference
    seeds = wording.over_seeds(difference, spec)
    return {
        "label": label,
        "before": f"{contrast.control.mean:{spec}}",
        "after": f"{contrast.lds.mean:{spec}}",
        "verdict": contrast.verdict,
        "note": f"{signed(difference.mean, spec)}; {VERDICTS[contrast.verdict]}; {seeds}",
    }


def _dataset(data: str, compared: list[Compared], svgs: Mapping[str, str]) -> dict[str, Any]:
    """Figures 1 and 3 and Table 1 of one dataset."""
    name = charts.slug(data)
    return {
        "name": data,
        "figure1": _under(svgs, f"figure1_{name}_"),
        "figure3": _under(svgs, f"figure3_{name}_"),
        "columns": [METRICS[m] for m in TABLE_1 if any(m in one.contrasts for one in compared)],
        "rows": [
            {
                "label": one.group.label,
                "trained": wording.trained(one.group),
                "cells": [_cell(one.contrasts[m], TABLE_1_SPEC) for m in TABLE_1 if m in one.contrasts],
            }
            for one in compared
        ],
        "has_paper": any(one.contrasts[m].paper for one in compared for m in TABLE_1 if m in one.contrasts),
    }


def _cell(contrast: Contrast, spec: str) -> dict[str, Any]:
    """One measure of one model: without, with, the difference, and the paper's."""
    difference = contrast.difference
    return {
        "arms": [wording.written(summary, spec) for summary in (contrast.control, contrast.lds)],
        "paper": [(f"{mean:.4f}", f"± {std:.4f}") for mean, std in contrast.paper or ()],
        "paper_difference": signed(contrast.paper[1][0] - contrast.paper[0][0], ".3f") if contrast.paper else "–",
        "difference": signed(difference.mean, spec),
        "interval": wording.over_scenes(difference, spec),
        "seeds": wording.over_seeds(difference, spec),
        "verdict": contrast.verdict,
    }


def _model(one: Compared, svgs: Mapping[str, str]) -> dict[str, Any]:
    """Figure 2, Table 2, all measures and the curves of one model on one dataset."""
    group, name = one.group, charts.key(one.group)
    return {
        "name": f"{group.label} on {group.data}",
        "seeds": group.seeds,
        "examples": [_example(example) for example in one.grid.examples],
        "by": "mIoU" if group.has("miou") else "MSE",
        "gap": _gap(one),
        "gap_charts": _under(svgs, f"table2_{name}_"),
        "measures": [
            {"metric": contrast.metric, **_cell(contrast, contrast.metric.spec)}
            for measure, contrast in one.contrasts.items()
            if measure not in VIEW_METRICS
        ],
        "curves": _under(svgs, f"curves_{name}_"),
        "missing_gap": [run.document["command"] for run in group.runs if "inference_gap" not in run.columns],
    }


def _example(example: SideBySide) -> dict[str, Any]:
    return {
        "reason": example.reason,
        "scene": example.scene,
        "view": example.view,
        "sides": [
            {
                "name": side.run.name,
                "values": {METRICS[m].label: f"{value:{METRICS[m].spec}}" for m, value in side.measures.items()},
                "duplicates": sum(slot.duplicate for slot in side.panel.slots),
                "panel": side.panel,
            }
            for side in example.sides
        ],
    }


def _gap(one: Compared) -> dict[str, Any] | None:
    if one.gap is None:
        return None
    mean = one.gap.mean
    return {
        "unit": one.gap.unit,
        "samples": one.group.first.lds.document.get("gap_samples"),
        "mean": signed_nats(mean.mean),
        "interval": f"{signed_nats(mean.low)} to {signed_nats(mean.high)}",
        "above": f"{one.gap.above:.1%}",
        "correlations": [
            {
                "label": found.label,
                "r": f"{found.r.mean:+.4f}".replace("-", "−"),
                "interval": f"{found.r.low:+.3f} to {found.r.high:+.3f}".replace("-", "−"),
                "paper": "–" if found.paper is None else f"{found.paper:+.4f}".replace("-", "−"),
            }
            for found in one.gap.correlations.values()
        ],
    }


def _runs(comparison: Comparison) -> list[dict[str, Any]]:
    runs = [run for one in comparison.compared for run in one.group.runs]
    runs += [run for ablation in comparison.ablations for run in ablation.runs]
    return [_run(run) for run in {id(run): run for run in runs}.values()]


def _run(run: EvaluatedRun) -> dict[str, Any]:
    """What a run was, and how to measure it again."""
    weight = f", λ = {run.config.lds_weight:g}, σ = {run.config.lds_std:g}" if run.has_lds else ""
    steps = "unknown" if run.steps is None else wording.grouped(run.steps)
    return {
        "name": run.name,
        "facts": f"seed {run.seed}, {steps} steps, K = {run.trained_slots}{run.tested_with}{weight}",
        "images": f"{run.document['images']} images of {run.document['data']}, split {run.document['split']}",
        "digests": f"weights {run.document['weights_digest'][:SHOWN_DIGEST]}, "
        f"data {run.document['data_digest'][:SHOWN_DIGEST]}",
        "command": run.document["command"],
        "trained": run.training.get("command", "not known"),
    }


def _under(svgs: Mapping[str, str], prefix: str) -> dict[str, str]:
    """The charts whose names begin so, by the rest of their names."""
    return {name.removeprefix(prefix): svg for name, svg in svgs.items() if name.startswith(prefix)}


def _chart_titles() -> dict[str, str]:
    titles = {
        "miou": "mIoU", "mse": "MSE", "similarity": "Similarity taken away: ΔSim⁺ = Sim⁰ − Sim⁺",
        "duplicate_rate": "Images with duplicates, by masks",
        "duplicate_rate_latent": "Images with duplicates, by latents",
        "gap": "ΔG⁺ one by one, and how it spreads",
        "against_mse": "MSE with LDS, and ΔG⁺", "against_miou": "mIoU with LDS, and ΔG⁺",
        "sigma_miou": "mIoU against σ", "sigma_mse": "MSE against σ",
        "slots_miou": "mIoU against K", "slots_mse": "MSE against K",
    }  # fmt: skip
    return titles | {name: label[0].upper() + label[1:] for name, label in SHOWN.items()}
