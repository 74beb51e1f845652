"""Evaluate a model on a dataset: one row an image, means with 95 % intervals, and images kept for the report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from datasets.packing import PackedDataset
from lds_models.examples import Example, SceneExample, choose_examples, choose_scenes
from lds_models.explainer import Explainer
from lds_models.explanation import Explanation
from lds_models.measures import Metric, metrics_of
from lds_models.metrics import duplicates, segmentation
from lds_models.metrics.consistency import cross_view_consistency
from lds_models.metrics.inference_gap import evidence
from lds_models.metrics.reconstruction import mean_squared_error
from lds_models.metrics.statistics import Interval, bootstrap_mean
from lds_models.model import MultiViewModel, SceneModel
from lds_models.novel_views import OBSERVED_VIEWS
from lds_models.traversals import TraversedImage


@dataclass(frozen=True)
class Sweep:
    """Duplicate rate against the threshold of its rule; `default` is the threshold that the metric uses."""

    thresholds: list[float]
    rates: list[float]
    default: float


@dataclass(frozen=True)
class Evaluation:
    """What was measured.

    Attributes:
        rows: columns of one value an image: `scene`, `view`, and the measures; of multi-view models also `observed`
            (whether the model was shown the view), and the measures of whole scenes, the same in all views.
        metrics: by the names of `measures`; None where it cannot be measured (no masks, no unseen views).
        sweeps: `overlap` (needs masks) and `latent`.
        scenes: of multi-view models, where views were left unseen.
        traversed: the best example with dimensions of its slots varied, by `traverse`; None without.
    """

    rows: dict[str, np.ndarray]
    metrics: dict[str, Interval | None]
    sweeps: dict[str, Sweep]
    examples: tuple[Example, ...]
    scenes: tuple[SceneExample, ...]
    warnings: tuple[str, ...]
    traversed: TraversedImage | None = None

    @property
    def multi_view(self) -> bool:
        """Whether the model is a multi-view one."""
        return "observed" in self.rows

    @property
    def measures(self) -> dict[str, Metric]:
        """What the metrics are, by their names."""
        return metrics_of(self.multi_view, "inference_gap" in self.rows)

    @property
    def num_images(self) -> int:
        return len(self.rows["view"])

    @property
    def num_scenes(self) -> int:
        return int((self.rows["view"] == 0).sum())


def first_scenes(packed: PackedDataset, count: int) -> PackedDataset:
    """The dataset's first `count` scenes."""
    first_view = packed.first_view[: count + 1]
    return packed.select(slice(0, int(first_view[-1])), first_view)


def slots_needed(model: SceneModel, packed: PackedDataset) -> int | None:
    """One for each object that the model sees at once, in an image or a scene, and one for the background.

    None where the dataset has no masks to tell.
    """
    objects = packed.most_objects_of_a_scene if isinstance(model, MultiViewModel) else packed.most_objects
    return None if objects is None else objects + 1


def evaluate(
    model: SceneModel,
    packed: PackedDataset,
    batch_size: int = 32,
    device: str = "cpu",
    seed: int = 0,
    observe: int = OBSERVED_VIEWS,
    progress: Callable[[int], None] = lambda images: None,
) -> Evaluation:
    """Measure the model on every image of the dataset, with its K slots as they are (nothing merged).

    A multi-view model is shown some views of a scene, and is measured on how it renders the others too.

    Args:
        batch_size: images at a time.
        seed: of posterior samples, observed views, bootstrap and random examples.
        observe: how many views of a scene a multi-view model is shown.
        progress: called with the number of images done since its last call.

    Raises:
        DatasetError: the model needs viewpoints and the dataset has none.
        ValueError: the images are of another size than the model's.
        OutputError: the model's output is not finite.
    """
    explainer = Explainer(model, packed, batch_size, device, seed, observe)
    multi_view = isinstance(model, MultiViewModel)
    parts, tables = [], []
    for explanation in explainer:
        parts.append(_measure(explanation))
        if explanation.table is not None:
            tables.append(explanation.table)
        progress(len(explanation.images))
    views = np.diff(packed.first_view)
    rows = {"scene": np.repeat(packed.names, views), "view": np.concatenate([np.arange(count) for count in views])}
    if multi_view:
        rows["observed"] = explainer.observed.astype(int)
    rows |= {column: np.concatenate([p[column] for p in parts]) for column in parts[0]}
    if multi_view and tables:
        rows |= _of_views(_measure_scenes(np.concatenate(tables), packed.first_view), packed.first_view)
    return Evaluation(
        rows=rows,
        metrics=_metrics(rows, metrics_of(multi_view), seed),
        sweeps=_sweeps(rows),
        examples=tuple(choose_examples(explainer, rows, seed)),
        scenes=tuple(choose_scenes(explainer, rows, packed.first_view)) if multi_view else (),
        warnings=tuple([*_warnings(packed, model), *_all_observed(packed, observe, multi_view)]),
    )


def with_inference_gap(
    evaluation: Evaluation, explainer: Explainer, samples: int, progress: Callable[[int], None] = lambda images: None
) -> Evaluation:
    """The evaluation with `inference_gap`, as a metric and with columns for what it comes from (see `Evidence`), nats.

    One value an image; of multi-view models one a scene (of the views that they observe), the same in its every row.

    Args:
        explainer: of the same model and dataset.
        samples: of the posterior, B in the paper's equation 6.
        progress: called with how many images were decoded since its last call, of samples times those observed in all.

    Raises:
        OutputError: a log density is not finite.
    """
    log_weights = [explainer.log_weights(index, samples, progress) for index in range(len(explainer))]
    found = evidence(np.concatenate(log_weights))
    columns = {
        "elbo": found.elbo,
        "log_evidence": found.log_evidence,
        "inference_gap": found.gap,
        "effective_samples": found.effective_samples,
    }
    if evaluation.multi_view:
        columns = _of_views(columns, explainer.first_view)
    rows = evaluation.rows | columns
    measured = replace(evaluation, rows=rows)
    gap = {"inference_gap": measured.measures["inference_gap"]}
    return replace(measured, metrics=evaluation.metrics | _metrics(rows, gap, explainer.seed))


def _measure(explanation: Explanation) -> dict[str, np.ndarray]:
    """Columns of one value an image; those that need ground truth are missing where there is none."""
    e = explanation
    latent_score = duplicates.latent_score(e.cosines_of_means, e.visible)
    columns = {
        "mse": mean_squared_error(e.images, e.reconstruction),
        "sim": duplicates.mean_similarity(e.cosines_of_samples),
        "visible_slots": e.visible.sum(1),
        "latent_score": latent_score,
        "duplicate_latent": (latent_score >= duplicates.LATENT_COSINE).astype(int),
    }
    if e.table is None or e.posterior_table is None:
        return columns
    overlap_score = duplicates.overlap_score(e.table, e.pixel_floor)
    posterior_score = duplicates.overlap_score(e.posterior_table, e.pixel_floor)
    return {
        "miou": segmentation.miou(e.table),
        "miou_greedy": segmentation.miou_greedy(e.table),
        "ari": segmentation.adjusted_rand_index(e.table),
        "fg_ari": segmentation.foreground_ari(e.table),
        "recall": segmentation.recall(e.table),
        "miou_posterior": segmentation.miou(e.posterior_table),
        **columns,
        "overlap_score": overlap_score,
        "duplicate": (overlap_score >= duplicates.OVERLAP_SHARE).astype(int),
        "duplicate_posterior": (posterior_score >= duplicates.OVERLAP_SHARE).astype(int),
    }


def _measure_scenes(tables: np.ndarray, first_view: np.ndarray) -> dict[str, np.ndarray]:
    """Measures of one value a scene: over all its views at once, in which an object keeps its region."""
    table = np.add.reduceat(tables, first_view[:-1])
    return {
        "miou_scene": segmentation.miou(table),
        "ari_scene": segmentation.adjusted_rand_index(table),
        "fg_ari_scene": segmentation.foreground_ari(table),
        "consistency": cross_view_consistency(tables, first_view),
    }


def _of_views(of_scenes: dict[str, np.ndarray], first_view: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of one value a scene, repeated for its every view."""
    return {name: np.repeat(values, np.diff(first_view)) for name, values in of_scenes.items()}


def _metrics(rows: dict[str, np.ndarray], metrics: dict[str, Metric], seed: int) -> dict[str, Interval | None]:
    chosen = {"images": slice(None), "scenes": rows["view"] == 0}
    if "observed" in rows:
        chosen |= {"observed": rows["observed"] == 1, "unseen": rows["observed"] == 0}

    def mean(metric: Metric) -> Interval | None:
        if metric.column not in rows:
            return None
        of = chosen[metric.over]
        return bootstrap_mean(rows[metric.column][of], seed, rows["scene"][of])

    return {name: mean(metric) for name, metric in metrics.items()}


def _sweeps(rows: dict[str, np.ndarray]) -> dict[str, Sweep]:
    def sweep(scores: np.ndarray, thresholds: np.ndarray, default: float) -> Sweep:
        rates = (scores[:, None] >= thresholds).mean(0)
        return Sweep(thresholds.tolist(), rates.tolist(), default)

    sweeps = {"latent": sweep(rows["latent_score"], np.linspace(0.5, 1, 51).round(2), duplicates.LATENT_COSINE)}
    if "overlap_score" in rows:
        shares = np.linspace(0.01, 0.5, 50).round(2)
        sweeps["overlap"] = sweep(rows["overlap_score"], shares, duplicates.OVERLAP_SHARE)
    return sweeps


def _warnings(packed: PackedDataset, model: SceneModel) -> list[str]:
    needed = slots_needed(model, packed)
    if needed is None:
        return ["Not every scene has ground-truth masks: segmentation measures are left out."]
    if model.num_slots >= needed:
        return []
    what = "a scene" if isinstance(model, MultiViewModel) else "an image"
    return [
        f"The model has {model.num_slots} slots, and {what} shows up to {needed - 1} objects and the background: "
        f"its scores are bounded by that. Train with {needed} slots or more."
    ]


def _all_observed(packed: PackedDataset, observe: int, multi_view: bool) -> list[str]:
    whole = int((np.diff(packed.first_view) <= observe).sum()) if multi_view else 0
    if not whole:
        return []
    scenes = "All scenes have" if whole == len(packed.names) else f"{whole} of {len(packed.names)} scenes have"
    return [
        f"{scenes} {observe} views or fewer: the model was shown all of them, and none was left to render unseen. "
        "Show it fewer with --observe."
    ]
