"""The measures that an evaluation reports: their stable names, what each is the mean of, and how to read it."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Metric:
    """A measure that is reported: the mean of a column of the rows, one row an image.

    Attributes:
        over: which rows: those of all `images`, of the views that the model has `observed`, of those `unseen`, or one
            row of each of the `scenes`.
        spec: how a value of it is printed.
    """

    column: str
    label: str
    better: str  # higher or lower
    meaning: str
    spec: str = ".3f"
    over: str = "images"


METRICS = {
    "miou": Metric("miou", "mIoU", "higher", "regions and slots matched one to one (Hungarian), background included"),
    "miou_greedy": Metric("miou_greedy", "mIoU, greedy", "higher", "best slot of each region, as in MulMON's code"),
    "ari": Metric("ari", "ARI", "higher", "adjusted Rand index over all pixels"),
    "fg_ari": Metric("fg_ari", "FG-ARI", "higher", "ARI over the objects' pixels; blind to spilled masks"),
    "recall": Metric("recall", "Recall", "higher", "objects that a slot finds, with an IoU of 0.5 or more"),
    "miou_posterior": Metric(
        "miou_posterior", "mIoU, posterior", "higher", "mIoU of the slots that pixels come from, given their colours"
    ),
    "mse": Metric("mse", "MSE", "lower", "squared error of the reconstruction, RGB in [0, 1]", ".4f"),
    "sim": Metric("sim", "Sim", "lower", "mean cosine similarity between two latents of a scene"),
    "duplicate_rate": Metric(
        "duplicate", "Duplicate rate", "lower", "images in which two or more slots share a region", ".1%"
    ),
    "duplicate_rate_posterior": Metric(
        "duplicate_posterior", "Duplicate rate, posterior", "lower", "duplicate rate of the posterior's slots", ".1%"
    ),
    "duplicate_rate_latent": Metric(
        "duplicate_latent", "Duplicate rate, latent", "lower", "images in which two visible slots are alike", ".1%"
    ),
}

SCENE_METRICS = {
    "miou_scene": Metric(
        "miou_scene", "mIoU, scene", "higher", "mIoU over all views at once: one slot for an object in every view",
        over="scenes",
    ),
    "ari_scene": Metric("ari_scene", "ARI, scene", "higher", "ARI over all views at once", over="scenes"),
    "fg_ari_scene": Metric("fg_ari_scene", "FG-ARI, scene", "higher", "FG-ARI over all views at once", over="scenes"),
    "consistency": Metric(
        "consistency", "Consistency", "higher", "pairs of views in which the same slot finds an object found in both",
        over="scenes",
    ),
}  # fmt: skip

# The latents are the scene's, the same for its every view: no Sim of some of them.
VIEW_METRICS = {
    f"{name}_{over}": replace(metric, label=f"{metric.label}, {over} views", over=over)
    for over in ("observed", "unseen")
    for name, metric in METRICS.items()
    if name != "sim"
}


# Decoding hundreds of samples of every image takes its time, so that it is measured only where it is asked for.
INFERENCE_GAP = Metric("inference_gap", "Inference gap", "lower", "KL from the true posterior to ours, nats", ".1f")


def metrics_of(multi_view: bool, gap: bool = False) -> dict[str, Metric]:
    """The measures of a model by their names in metrics.json; multi-view models have those of scenes and views too.

    Args:
        gap: whether the inference gap was measured; a multi-view model's is one of whole scenes.
    """
    metrics = METRICS | SCENE_METRICS | VIEW_METRICS if multi_view else METRICS
    if not gap:
        return metrics
    return metrics | {"inference_gap": replace(INFERENCE_GAP, over="scenes" if multi_view else "images")}
