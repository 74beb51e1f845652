"""Evaluate a model on a dataset: one row an image, means with 95 % intervals, and images kept for the report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from datasets.packing import PackedDataset
from lds_models.explanation import Explainer, Explanation
from lds_models.metrics import duplicates, segmentation
from lds_models.metrics.reconstruction import mean_squared_error
from lds_models.metrics.statistics import Interval, bootstrap_mean
from lds_models.model import SceneModel

NUM_RANDOM_EXAMPLES = 3


@dataclass(frozen=True)
class Metric:
    """A measure that is reported: which column of the rows it is the mean of, and how to read it."""

    column: str
    label: str
    better: str  # higher or lower
    meaning: str
    spec: str = ".3f"  # how a value of it is printed


METRICS = {
    "miou": Metric("miou", "mIoU", "higher", "regions and slots matched one to one (Hungarian), background included"),
    "miou_greedy": Metric("miou_greedy", "mIoU, greedy", "higher", "best slot of each region, as in MulMON's code"),
    "ari": Metric("ari", "ARI", "higher", "adjusted Rand index over all pixels"),
    "fg_ari": Metric("fg_ari", "FG-ARI", "higher", "ARI over the objects' pixels; blind to spilled masks"),
    "mse": Metric("mse", "MSE", "lower", "squared error of the reconstruction, RGB in [0, 1]", ".4f"),
    "sim": Metric("sim", "Sim", "lower", "mean cosine similarity between two latents of a scene"),
    "duplicate_rate": Metric(
        "duplicate", "Duplicate rate", "lower", "images in which two or more slots share a region", ".1%"
    ),
    "duplicate_rate_latent": Metric(
        "duplicate_latent", "Duplicate rate, latent", "lower", "images in which two visible slots are alike", ".1%"
    ),
}


@dataclass(frozen=True)
class Sweep:
    """Duplicate rate against the threshold of its rule; `default` is the threshold that the metric uses."""

    thresholds: list[float]
    rates: list[float]
    default: float


@dataclass(frozen=True)
class Example:
    """One image kept for the pictures; `explanation` holds it alone (N = 1), `row` is its place in the rows."""

    reason: str
    row: int
    explanation: Explanation


@dataclass(frozen=True)
class Evaluation:
    """What was measured.

    Attributes:
        rows: columns of one value an image: `scene`, `view`, and the measures.
        metrics: by the names of METRICS; None where it cannot be measured (no masks).
        sweeps: `overlap` (needs masks) and `latent`.
    """

    rows: dict[str, np.ndarray]
    metrics: dict[str, Interval | None]
    sweeps: dict[str, Sweep]
    examples: tuple[Example, ...]
    warnings: tuple[str, ...]

    @property
    def num_images(self) -> int:
        return len(self.rows["view"])

    @property
    def num_scenes(self) -> int:
        return int((self.rows["view"] == 0).sum())


def first_scenes(packed: PackedDataset, count: int) -> PackedDataset:
    """The dataset's first `count` scenes."""
    first_view = packed.first_view[: count + 1]
    views = slice(0, int(first_view[-1]))
    return replace(
        packed,
        images=packed.images[views],
        first_view=first_view,
        masks=None if packed.masks is None else packed.masks[views],
        viewpoints={kind: values[views] for kind, values in packed.viewpoints.items()},
        names=packed.names[:count],
    )


def evaluate(
    model: SceneModel,
    packed: PackedDataset,
    batch_size: int = 32,
    device: str = "cpu",
    seed: int = 0,
    progress: Callable[[int], None] = lambda images: None,
) -> Evaluation:
    """Measure the model on every image of the dataset, with its K slots as they are (nothing merged).

    Args:
        batch_size: images at a time.
        seed: of posterior samples, bootstrap and random examples.
        progress: called with the number of images done since its last call.

    Raises:
        DatasetError: the model needs viewpoints and the dataset has none.
        ValueError: the images are of another size than the model's.
        OutputError: the model's output is not finite.
    """
    explainer = Explainer(model, packed, batch_size, device, seed)
    parts = []
    for explanation in explainer:
        parts.append(_measure(explanation))
        progress(len(explanation.images))
    views = np.diff(packed.first_view)
    rows = {"scene": np.repeat(packed.names, views), "view": np.concatenate([np.arange(count) for count in views])}
    rows |= {column: np.concatenate([p[column] for p in parts]) for column in parts[0]}
    measured = {name: rows.get(metric.column) for name, metric in METRICS.items()}
    return Evaluation(
        rows=rows,
        metrics={name: None if values is None else bootstrap_mean(values, seed) for name, values in measured.items()},
        sweeps=_sweeps(rows),
        examples=tuple(_examples(explainer, rows, seed)),
        warnings=tuple(_warnings(packed, model)),
    )


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
    if e.table is None:
        return columns
    overlap_score = duplicates.overlap_score(e.table, e.pixel_floor)
    return {
        "miou": segmentation.miou(e.table),
        "miou_greedy": segmentation.miou_greedy(e.table),
        "ari": segmentation.adjusted_rand_index(e.table),
        "fg_ari": segmentation.foreground_ari(e.table),
        **columns,
        "overlap_score": overlap_score,
        "duplicate": (overlap_score >= duplicates.OVERLAP_SHARE).astype(int),
    }


def _sweeps(rows: dict[str, np.ndarray]) -> dict[str, Sweep]:
    def sweep(scores: np.ndarray, thresholds: np.ndarray, default: float) -> Sweep:
        rates = (scores[:, None] >= thresholds).mean(0)
        return Sweep(thresholds.tolist(), rates.tolist(), default)

    sweeps = {"latent": sweep(rows["latent_score"], np.linspace(0.5, 1, 51).round(2), duplicates.LATENT_COSINE)}
    if "overlap_score" in rows:
        shares = np.linspace(0.01, 0.5, 50).round(2)
        sweeps["overlap"] = sweep(rows["overlap_score"], shares, duplicates.OVERLAP_SHARE)
    return sweeps


def _examples(explainer: Explainer, rows: dict[str, np.ndarray], seed: int) -> list[Example]:
    """Best, median and worst image by mIoU (by MSE without masks), and some random others."""
    order = np.argsort(-rows["miou"] if "miou" in rows else rows["mse"], kind="stable")
    chosen = {"best": order[0], "median": order[len(order) // 2], "worst": order[-1]}
    reasons = {int(row): reason for reason, row in reversed(chosen.items())}
    others = [int(row) for row in np.random.default_rng(seed).permutation(len(order)) if row not in reasons]
    reasons = dict(reversed(reasons.items())) | dict.fromkeys(others[:NUM_RANDOM_EXAMPLES], "random")
    return [Example(reason, row, explainer.image(row)) for row, reason in reasons.items()]


def _warnings(packed: PackedDataset, model: SceneModel) -> list[str]:
    if packed.masks is None:
        return ["The dataset has no ground-truth masks: segmentation measures are left out."]
    needed = packed.most_objects + 1
    if model.num_slots < needed:
        return [
            f"The model has {model.num_slots} slots, and an image shows up to {needed - 1} objects and the background: "
            f"its scores are bounded by that. Train with {needed} slots or more."
        ]
    return []
