"""Model cards: what a weights file says of itself, and the page beside shipped weights that says it to people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from datasets.atomic import whole_file
from lds_models.results import read_evaluation, read_rows
from lds_models.weights import LoadedModel, WeightsError, save_weights

MEASURES = (
    "miou", "miou_posterior", "miou_posterior_observed", "miou_unseen", "miou_scene", "miou_greedy", "ari", "fg_ari",
    "mse", "mse_unseen", "sim", "duplicate_rate", "duplicate_rate_posterior",
)  # fmt: skip


def publish(
    loaded: LoadedModel,
    evaluations: list[Path],
    name: str,
    notes: str,
    folder: Path,
    deduplication: dict[str, float] | None = None,
    perception: dict[str, Any] | None = None,
) -> Path:
    """Write loaded weights as `folder`/NAME.safetensors with their measured metrics in the card, and NAME.md beside.

    Args:
        loaded: trained weights, with the K that they are to have.
        evaluations: folders that `lds eval` of these very weights with this K wrote, first of the kind of scenes
            trained on.
        notes: known failures and other things that a user should know.
        deduplication: settings of perception's de-duplication that suit these weights, in place of its defaults.
        perception: `data` and number of `images` on which it was measured what perception makes of the weights'
            `slots`, and the measures (name: interval, without bounds where there is one scene) of these and of its
            `objects`.

    Raises:
        WeightsError: an evaluation is of other weights or another K, or of the scenes trained on.
        DatasetError: an evaluation cannot be read, or a file cannot be written.
    """
    card = loaded.card | {"name": name, "notes": notes, "deduplication": deduplication or {}, "metrics": []}
    for evaluation in evaluations:
        card["metrics"].append(_measured(evaluation, loaded))
    if evaluations:
        card["domain"] = domain_of(read_rows(evaluations[0])["mse"])
    card["perception"] = perception or {}
    path = folder / f"{name}.safetensors"
    save_weights(path, loaded.model, card)
    with whole_file(path.with_suffix(".md")) as temporary:
        temporary.write_text(_page(card, loaded), encoding="utf-8")
    return path


def flattened(card: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A card, or a part of it, without nesting: keys joined by dots."""
    flat: dict[str, Any] = {}
    for key, value in card.items():
        flat |= flattened(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _measured(evaluation: Path, loaded: LoadedModel) -> dict[str, Any]:
    document = read_evaluation(evaluation)
    if document["weights_digest"] != loaded.digest:
        raise WeightsError(f"{evaluation}: was measured on other weights; run `lds eval` on these")
    slots = document.get("slots") or loaded.card["training"]["experiment"]["model"]["num_slots"]
    if slots != loaded.model.num_slots:
        raise WeightsError(
            f"{evaluation}: was measured with {slots} slots; run `lds eval --slots {loaded.model.num_slots}`"
        )
    if document["data_digest"] == loaded.card["training"].get("data_digest"):
        raise WeightsError(
            f"{evaluation}: was measured on the scenes trained on; run `lds eval` on others, such as --split test"
        )
    kept = ("data", "split", "scenes", "images", "data_digest", "seed", "command")
    metrics = {name: document["metrics"][name] for name in MEASURES if name in document["metrics"]}
    return {key: document[key] for key in kept} | {"metrics": metrics}


def domain_of(errors: np.ndarray) -> dict[str, float]:
    """What tells images of the kind that a model knows: quantiles of its mean squared error on some, [N]."""
    return {f"mse_p{percent}": float(np.percentile(errors, percent)) for percent in (50, 99)}


def _page(card: dict[str, Any], loaded: LoadedModel) -> str:
    training, model = card["training"], card["training"]["experiment"]["model"]
    slots = loaded.model.num_slots
    trained_with = "" if slots == model["num_slots"] else f" ({model['num_slots']} in training)"
    lines = [
        f"# {card['name']}",
        "",
        f"{model['name']} with K = {slots} slots{trained_with}, "
        + (f"LDS prior of weight {model['lds_weight']}." if model["lds_weight"] else "no LDS prior."),
        "",
        f"- **Trained** on {training['images']} images ({training['data']}, split {training['split']}): "
        f"{training['steps']} steps, {training['hours']} hours.",
        f"- **Command**: `{training['command']}`",
        f"- **Digest** of the parameters (SHA-256): `{loaded.digest}`",
        f"- **De-duplication** in perception: {json.dumps(card['deduplication'])}",
        f"- **Licence**: {card['licence']}",
        "",
        f"{card['notes']}",
        "",
        "## Measured on scenes not trained on",
        "Means over images with 95 % bootstrap intervals.",
    ]
    for measured in card["metrics"]:
        lines += ["", f"### {measured['data']}, split {measured['split']}: {measured['images']} images", ""]
        lines += ["| measure | mean | low | high |", "|---|---|---|---|"]
        for name, value in measured["metrics"].items():
            if value is not None:
                mean, low, high = (
                    "–" if value[key] is None else f"{value[key]:.4f}" for key in ("mean", "low", "high")
                )
                lines.append(f"| {name} | {mean} | {low} | {high} |")
        lines += ["", f"`{measured['command']}`"]
    if perception := card["perception"]:
        lines += ["", f"## In perception: {perception['images']} images of {perception['data']}", ""]
        lines += ["| measure | slots | objects, after de-duplication |", "|---|---|---|"]
        for name in perception["slots"]:
            before, after = (_told(perception[what][name]) for what in ("slots", "objects"))
            lines.append(f"| {name} | {before} | {after} |")
    return "\n".join(lines) + "\n"


def _told(interval: dict[str, float | None]) -> str:
    return ("{mean:.3f}" if interval["low"] is None else "{mean:.3f} [{low:.3f}, {high:.3f}]").format(**interval)
