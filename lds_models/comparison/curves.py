"""How training went: the curves that the runs left in their folders."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lds_models.comparison.pairing import Group
from lds_models.comparison.runs import EvaluatedRun
from lds_models.training.curves import read_curves

SHOWN = {
    "nll": "negative log-likelihood, nats an image",
    "kl_latent": "KL of the latents, nats an image",
    "lds": "log LDS prior, nats a scene",
    "val_miou": "mIoU of validation images",
    "val_mse": "MSE of validation images",
}


@dataclass(frozen=True)
class Curve:
    """One curve of one run: steps and values [N]."""

    has_lds: bool
    steps: np.ndarray
    values: np.ndarray


def training_curves(group: Group) -> dict[str, list[Curve]]:
    """What of SHOWN the group's runs have logged; empty where their folders or metrics.csv are not there any more."""
    found: dict[str, list[Curve]] = {}
    for run in group.runs:
        for name, points in _read(run).items():
            if name in SHOWN and len(points) > 1:
                steps, values = np.array(points).T
                found.setdefault(name, []).append(Curve(run.has_lds, steps, values))
    return {name: found[name] for name in SHOWN if name in found}


def _read(run: EvaluatedRun) -> dict[str, list[tuple[float, float]]]:
    points: dict[str, list[tuple[float, float]]] = {}
    for step, name, value in read_curves(run.loaded.path.with_name("metrics.csv")):
        points.setdefault(name, []).append((step, value))
    return points
