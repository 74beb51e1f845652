"""Evaluations made hostile, as `lds compare` is given them: metrics.json, per_image.csv, and the weights' card."""

from __future__ import annotations

import csv
import functools
import io
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from batches import Kind, expect_none_at_fault
from mutation import as_json, mutated, mutated_tree, odd_value
from nursery import Nursery

from datasets.scene import DatasetError
from lds_models.comparison.compare import trained_differently
from lds_models.comparison.gaps import gap_drops
from lds_models.comparison.numbers import contrasts
from lds_models.comparison.pairing import pair_runs
from lds_models.comparison.runs import CompareError, read_run
from lds_models.registry import build_model
from lds_models.weights import load_weights, save_weights

SCENES, VIEWS = 3, 2
IMAGES = SCENES * VIEWS
SMALL = {
    "name": "monet", "image_size": 16, "num_slots": 2, "latent_dim": 2, "attention_channels": 2, "decoder_channels": 2,
}  # fmt: skip


@functools.cache
def weights(lds: float, folder: Path) -> tuple[str, str]:
    """The path and the digest of weights trained with so much LDS."""
    torch.manual_seed(0)
    path = folder / f"weights_{lds}.safetensors"
    experiment = {"seed": 0, "model": {"name": "monet", "lds_weight": lds}}
    card = {"name": "tiny", "training": {"steps": 3, "command": "lds train", "experiment": experiment}}
    save_weights(path, build_model({**SMALL, "lds_weight": lds}), card)
    return str(path), load_weights(path).digest


def document(lds: float, folder: Path) -> dict[str, Any]:
    path, digest = weights(lds, folder)
    interval = {"mean": 0.5, "low": 0.4, "high": 0.6}
    return {
        "weights": path, "weights_digest": digest, "data": "data/clevr_mv", "data_digest": "0" * 64, "split": "test",
        "image_size": 16, "source_size": [16, 16], "seed": 0, "observe": None, "batch_size": 32, "device": "cpu",
        "command": "lds eval", "slots": None, "gap_samples": 20, "images": IMAGES, "scenes": SCENES,
        "metrics": {"miou": interval, "mse": interval}, "sweeps": {}, "warnings": [], "versions": {},
    }  # fmt: skip


def rows(shift: float) -> list[list[Any]]:
    rng = np.random.default_rng(0)
    columns = ["scene", "view", "mse", "miou", "sim", "duplicate", "inference_gap"]
    values = (rng.random((IMAGES, 4)) + shift).round(4)
    return [columns, *([f"scene_{i // VIEWS}", i % VIEWS, *values[i], 100 + shift] for i in range(IMAGES))]


def table(content: list[list[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(content)
    return text.getvalue().encode("utf-8", "surrogatepass")


def write_evaluations(rng: Random, folder: Path) -> list[Path]:
    """Two evaluations, one of them changed."""
    shared = folder.parent / "weights"  # made once for all inputs
    shared.mkdir(exist_ok=True)
    folders = []
    for lds in (0.0, 0.5):
        root = folder / f"lds_{lds}"
        root.mkdir()
        (root / "metrics.json").write_text(json.dumps(document(lds, shared)))
        (root / "per_image.csv").write_bytes(table(rows(lds)))
        folders.append(root)
    rng.choice((_change_document, _change_table))(rng, folders[rng.randrange(2)], document(0.5, shared))
    return folders


def _change_document(rng: Random, root: Path, whole: dict[str, Any]) -> None:
    elsewhere = ("/etc/passwd", "/dev/null", "/dev/zero", ".", "", "\0", "x" * 5000, "../metrics.json")
    tree = mutated_tree(rng, whole)
    if rng.random() < 0.2:
        tree = {**whole, "weights": rng.choice(elsewhere)}
    text = as_json(rng, tree)
    (root / "metrics.json").write_bytes(mutated(rng, text) if rng.random() < 0.3 else text)


def _change_table(rng: Random, root: Path, _: dict[str, Any]) -> None:
    content = rows(0.5)
    for _ in range(rng.choice((1, 1, 3))):
        row = rng.choice(content)
        how = rng.randrange(6)
        if how < 4 and row:
            odd = (str(odd_value(rng)), "nan", "inf", "-1", "1e400", "\n", '"', "view")
            row[rng.randrange(len(row))] = rng.choice(odd)
        elif how == 4 and row:
            row.pop()
        else:
            content.remove(row)
    text = table(content)
    (root / "per_image.csv").write_bytes(mutated(rng, text) if rng.random() < 0.3 else text)


def read_evaluations(folders: list[Path]) -> None:
    """As `lds compare` does before it draws."""
    groups, _ = pair_runs([read_run(folder) for folder in folders])
    for group in groups:
        contrasts(group)
        gap_drops(group)
        for pair in group.pairs:
            trained_differently(pair)


def test_every_evaluation_is_compared_or_refused(nursery: Nursery, share: Callable[[int], int], tmp_path: Path) -> None:
    kind = Kind(write_evaluations, read_evaluations, (CompareError, DatasetError))
    expect_none_at_fault(nursery, kind, share(1000), tmp_path)
