"""Folders as `lds train` and `lds eval` leave them, of tiny untrained models, for tests of what comes after."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from colour_scenes import packed_squares

from datasets.packing import pack, write_packed
from datasets.scene import Scene
from lds_models.evaluation import evaluate
from lds_models.monet import MONet, MONetConfig
from lds_models.results import Provenance, write_metrics, write_rows
from lds_models.weights import load_weights, save_weights

SIZE, SCENES, VIEWS = 32, 4, 3
IMAGES = SCENES * VIEWS


def squares(path: Path, masks: bool = True, seed: int = 0) -> Path:
    """A packed file of SCENES scenes with VIEWS views."""
    packed = packed_squares(SCENES, VIEWS, size=SIZE, seed=seed)
    rows = [slice(VIEWS * scene, VIEWS * scene + VIEWS) for scene in range(SCENES)]
    scenes = [
        Scene(name, packed.images[views], masks=packed.masks[views] if masks else None)
        for name, views in zip(packed.names, rows, strict=True)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_packed(path, scenes, str(path), "test", f"{seed:064x}", SIZE)
    return path


def evaluated(
    home: Path, name: str, data: Path, lds: float = 0.0, seed: int = 0, columns: dict | None = None,
    training: dict | None = None, document: dict | None = None, digest: str = "", **settings: object,
) -> Path:  # fmt: skip
    """Train nothing, evaluate it, and return the evaluation's folder.

    Args:
        columns: what per_image.csv tells instead of, or beside, what was measured.
        training: settings of the experiment in the card; `document`: of the provenance.
        digest: of the data trained on.
        settings: of the model.
    """
    torch.manual_seed(1000 * seed + round(10 * lds))
    shape = {"image_size": SIZE, "num_slots": 4, "latent_dim": 4, "attention_channels": 8, "decoder_channels": 8}
    model = MONet(MONetConfig(**(shape | {"lds_weight": lds} | settings)))
    experiment = {"seed": seed, "model": {"name": "monet", "lds_weight": lds}} | (training or {})
    trained = {"steps": 300, "command": f"lds train {name}", "experiment": experiment, "data_digest": digest}
    card = {"name": name, "training": trained}
    run = home / "runs" / name
    run.mkdir(parents=True)
    save_weights(run / "weights.safetensors", model, card)
    curve = [(10, 500.5), (20, 400.25), (30, 300.0)]
    lines = [f"{step},nll,{value - 50 * (lds > 0)!r}" for step, value in curve]
    (run / "metrics.csv").write_text("\n".join(["step,name,value", *lines, "30,n"]) + "\n")  # the last line is torn

    packed = pack(data, "test", SIZE)
    evaluation = evaluate(model, packed)
    evaluation = replace(evaluation, rows=evaluation.rows | {k: np.asarray(v) for k, v in (columns or {}).items()})
    provenance = Provenance(
        weights=str(run), weights_digest=load_weights(run).digest, data=str(data), data_digest=packed.digest,
        split="test", image_size=SIZE, source_size=None, seed=0, observe=None, batch_size=32, device="cpu",
        command=f"lds eval {run} --data {data}",
    )  # fmt: skip
    folder = home / "eval" / name
    folder.mkdir(parents=True)
    write_metrics(evaluation, replace(provenance, **(document or {})), folder / "metrics.json")
    write_rows(evaluation, folder / "per_image.csv")
    return folder
