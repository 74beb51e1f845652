"""Small scenes, small models of every kind, and runs of the command line."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np

from datasets.packing import write_packed
from datasets.scene import Scene
from lds_models.registry import MODELS

SIZE = 16
SMALL = {
    "image_size": SIZE,
    "num_slots": 3,
    "latent_dim": 4,
    "mask_latent_dim": 4,
    "iterations": 2,
    "attention_channels": 4,
    "decoder_channels": 4,
    "refinement_channels": 4,
    "hidden": 8,
    "lds_weight": 0.5,
}
NOT_OF_THE_MODEL = {"seconds", "images_per_second", "memory_mb"}


def tiny_model(name: str) -> str:
    """The settings of a small model of the kind, as YAML in one line."""
    known = {field.name for field in fields(MODELS[name][0])}
    return "{" + ", ".join(f"{k}: {v}" for k, v in {"name": name, **SMALL}.items() if k in known) + "}"


def experiment_file(folder: Path, data: Path, model: str = "monet", steps: int = 12) -> Path:
    """An experiment whose learning rate does not depend on how many steps it has."""
    path = folder / f"{model}.yaml"
    path.write_text(f"""
model: {tiny_model(model)}
data: {{path: {data}, validation_path: {data}, validation_split: train, validation_images: 8}}
optimiser: {{name: adam, lr: 1.0e-3, warmup_steps: 4}}
lds_warmup: [2, 8]
batch_size: 4
steps: {steps}
precision: 32-true
log_every: 1
validate_every: 6
checkpoint_every: 5
""")
    return path


def squares(count: int, views: tuple[int, ...] = (3,), poses: bool = True) -> list[Scene]:
    """Scenes of a coloured square on white from random places, with masks; `views` are of one scene after another."""
    rng = np.random.default_rng(0)
    scenes = []
    for index in range(count):
        number = views[index % len(views)]
        images = np.full((number, SIZE, SIZE, 3), 230, np.uint8)
        masks = np.zeros((number, SIZE, SIZE), np.uint8)
        for view in range(number):
            row, column = rng.integers(0, 10, 2)
            images[view, row : row + 6, column : column + 6] = rng.integers(0, 200, 3)
            masks[view, row : row + 6, column : column + 6] = 1
        T = np.tile(np.eye(4), (number, 1, 1))
        T[:, :3, 3] = rng.normal(size=(number, 3))
        scenes.append(Scene(f"square_{index}", images, T_world_camera=T if poses else None, masks=masks))
    return scenes


def packed_squares_file(path: Path, count: int = 12, **how) -> Path:
    write_packed(path, squares(count, **how), "squares", "train", "digest", SIZE)
    return path


def lds_train(experiment: Path, run: Path, *more: str, launcher: tuple[str, ...] = ()) -> subprocess.Popen:
    """Starts `lds train`; `launcher` are the words before -m."""
    return subprocess.Popen(
        [*(launcher or (sys.executable,)), "-m", "lds_cli.main", "train", str(experiment), "--out", str(run), *more],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def torchrun(processes: int = 2) -> tuple[str, ...]:
    """The words that start so many processes, on a free port."""
    return sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)


def curves(run: Path) -> list[list[str]]:
    """The rows of metrics.csv, without those that depend on the machine."""
    with open(run / "metrics.csv", newline="") as file:
        return [row for row in csv.reader(file) if row[1] not in NOT_OF_THE_MODEL]


def values(run: Path) -> dict[tuple[int, str], float]:
    """The same, by step and name."""
    return {(int(step), name): float(value) for step, name, value in curves(run)[1:]}
