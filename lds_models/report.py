"""The report of an evaluation: one page that needs nothing but itself, and its pictures as PNG files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from datasets.atomic import whole_file
from datasets.page import page_template
from lds_models import figures, pictures
from lds_models.animation import animated_views
from lds_models.evaluation import Evaluation
from lds_models.examples import Example, SceneExample
from lds_models.measures import METRICS, VIEW_METRICS, Metric
from lds_models.metrics.statistics import Interval
from lds_models.model_card import flattened
from lds_models.results import Provenance, software_versions, write_metrics, write_rows
from lds_models.traversals import VALUES, TraversedImage

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEMPLATES = Path(__file__).parent / "templates"
HEADLINE = (
    "miou", "miou_posterior", "miou_unseen", "mse", "duplicate_rate", "fg_ari", "mse_unseen", "sim",
    "duplicate_rate_latent",
)  # fmt: skip
HEADLINE_COUNT = 4
SOMETIMES = (  # figures that some evaluations have
    "miou_histogram.png", "duplicates_by_overlap.png", "unseen_views.png", "unseen_views.gif", "traversals.png"
)  # fmt: skip
SHOWN_DIGEST = 16  # hexadecimal digits; metrics.json has all


def write_results(evaluation: Evaluation, provenance: Provenance, card: Mapping[str, Any], out: Path) -> Path:
    """Write metrics.json, per_image.csv, report.html and figures/*.png into a directory, made where it is missing.

    Figures of an earlier evaluation there that this one has not are removed: they would pass for its own.

    Args:
        card: the model card that came with the weights.

    Returns:
        The path of the page.
    """
    folder = out / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    write_metrics(evaluation, provenance, out / "metrics.json")
    write_rows(evaluation, out / "per_image.csv")
    charts = figures.charts(evaluation)
    panels = [(example.reason, pictures.panel(example.explanation)) for example in evaluation.examples]
    grids = {"slots": figures.grid(panels)}
    animation = animated_views(evaluation.scenes) if evaluation.scenes else None
    if animation:
        grids["unseen_views"] = figures.views(evaluation.scenes)
        with whole_file(folder / "unseen_views.gif") as temporary:
            temporary.write_bytes(animation)
    if evaluation.traversed:
        grids["traversals"] = figures.traversals(evaluation.traversed)
    for name, figure in (charts | grids).items():
        figures.save_png(figure, folder / f"{name}.png")
    drawn = {*(f"{name}.png" for name in charts | grids), "unseen_views.gif" if animation else ""}
    for name in set(SOMETIMES) - drawn:
        (folder / name).unlink(missing_ok=True)
    page = out / "report.html"
    with whole_file(page) as temporary:
        temporary.write_text(_render(evaluation, provenance, card, charts, animation), encoding="utf-8")
    return page


def format_interval(interval: Interval | None, metric: Metric) -> tuple[str, str]:
    """A mean and its interval as people read them, such as ("0.812", "0.804 to 0.820"); dashes where not measured."""
    if interval is None:
        return "–", "–"
    bounds = f"{interval.low:{metric.spec}} to {interval.high:{metric.spec}}" if np.isfinite(interval.low) else "–"
    return f"{interval.mean:{metric.spec}}", bounds


def _render(
    evaluation: Evaluation,
    provenance: Provenance,
    card: Mapping[str, Any],
    charts: Mapping[str, Figure],
    animation: bytes | None,
) -> str:
    from markupsafe import Markup

    measures = {name: _measure(evaluation.metrics[name], metric) for name, metric in evaluation.measures.items()}
    headline = [measures[name] for name in HEADLINE if name in measures and measures[name]["mean"] != "–"]
    return page_template(TEMPLATES / "report.html.j2", data_uri=pictures.data_uri).render(
        title=Path(provenance.weights).name.removesuffix(".safetensors"),
        provenance=asdict(provenance),
        images=evaluation.num_images,
        scenes=evaluation.num_scenes,
        warnings=evaluation.warnings,
        headline=headline[:HEADLINE_COUNT],
        measures=[measure for name, measure in measures.items() if name not in VIEW_METRICS],
        by_views=_by_views(measures) if evaluation.scenes else [],
        views_a_line=pictures.VIEWS_A_LINE,
        scene_examples=[_scene_example(scene) for scene in evaluation.scenes],
        animation_rows=", ".join(scene.reason for scene in evaluation.scenes),
        animation=pictures.image_uri(animation, "gif") if animation else None,
        traversed=_traversed(evaluation.traversed, evaluation) if evaluation.traversed else None,
        has_masks="miou" in evaluation.rows,
        rule=pictures.duplicate_rule("miou" in evaluation.rows),
        examples=[_example(example, evaluation) for example in evaluation.examples],
        charts={name: Markup(figures.themed_svg(figure, name)) for name, figure in charts.items()},
        card=_facts({key: value for key, value in card.items() if key not in ("metrics", "notes")}),
        notes=card.get("notes", ""),
        repeat=_repeat(provenance),
        versions=software_versions(),
    )


def _measure(interval: Interval | None, metric: Metric) -> dict[str, str]:
    mean, bounds = format_interval(interval, metric)
    return {**asdict(metric), "mean": mean, "bounds": bounds}


def _by_views(measures: Mapping[str, dict[str, str]]) -> list[dict[str, Any]]:
    """The measures of observed and of unseen views, side by side."""
    return [
        {"label": metric.label, "better": metric.better}
        | {over: measures[f"{name}_{over}"] for over in ("observed", "unseen")}
        for name, metric in METRICS.items()
        if f"{name}_unseen" in measures and measures[f"{name}_unseen"]["mean"] != "–"
    ]


def _scene_example(scene: SceneExample) -> dict[str, Any]:
    def described(means: dict[str, float]) -> dict[str, str]:
        return {METRICS[name].label: f"{mean:{METRICS[name].spec}}" for name, mean in means.items()}

    return {
        "reason": scene.reason,
        "name": scene.name,
        "lines": pictures.lines_of_views(scene.explanation),
        "values": {"Shown": described(scene.observed), "Unseen": described(scene.unseen)},
    }


def _example(example: Example, evaluation: Evaluation) -> dict[str, Any]:
    shown = {name: METRICS[name] for name in ("miou", "fg_ari", "mse") if METRICS[name].column in evaluation.rows}
    values = {metric.label: evaluation.rows[metric.column][example.row] for metric in shown.values()}
    specs = {metric.label: metric.spec for metric in shown.values()}
    return {
        "reason": example.reason,
        "scene": evaluation.rows["scene"][example.row],
        "view": evaluation.rows["view"][example.row],
        "unseen": not example.explanation.observed[0],
        "values": {label: f"{value:{specs[label]}}" for label, value in values.items() if np.isfinite(value)},
        "panel": pictures.panel(example.explanation),
    }


def _traversed(traversed: TraversedImage, evaluation: Evaluation) -> dict[str, Any]:
    example = traversed.example
    return {
        "scene": evaluation.rows["scene"][example.row],
        "view": evaluation.rows["view"][example.row],
        "values": VALUES,
        "rows": [
            {"label": shown.label, "nats": f"{shown.information:.1f}", "here": f"{shown.value:+.1f}",
             "pictures": pictures.traversal(shown)}
            for shown in traversed.traversals
        ],
    }  # fmt: skip


def _repeat(provenance: Provenance) -> dict[str, Any]:
    """What the same numbers need, besides the command."""
    size = f"{provenance.image_size} × {provenance.image_size}"
    if provenance.resized and provenance.source_size is not None:
        height, width = provenance.source_size
        size += f", cropped and resized from {width} × {height}"
    return {
        "weights": provenance.weights,
        "weights digest": provenance.weights_digest[:SHOWN_DIGEST],
        "data": provenance.data,
        "data digest": provenance.data_digest[:SHOWN_DIGEST],
        "images": size,
        "seed": provenance.seed,
        **({} if provenance.observe is None else {"views shown": provenance.observe}),
        "batch size": provenance.batch_size,
        "device": provenance.device,
    }


def _facts(card: Mapping[str, Any]) -> dict[str, str]:
    """A card's values as text."""
    return {key: f"{value:.4g}" if isinstance(value, float) else str(value) for key, value in flattened(card).items()}
