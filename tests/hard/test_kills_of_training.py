"""kill -9 while a model trains: every run goes on, and ends number for number as one that nobody disturbed."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import torch
from kills import duration, finished_files, killed, moment
from nursery import Nursery
from safetensors import safe_open

from datasets.packing import write_packed
from datasets.scene import Scene
from lds_models.training.experiment import load_experiment
from lds_models.training.loop import train
from lds_models.weights import load_weights

EXPERIMENT = """
model: {{name: monet, image_size: 16, num_slots: 2, latent_dim: 2, attention_channels: 2, decoder_channels: 2}}
data: {{path: {0}, validation_path: {0}, validation_split: train, validation_images: 4}}
optimiser: {{name: adam, lr: 1.0e-3, warmup_steps: 4}}
lds_warmup: [2, 8]
batch_size: 2
steps: 12
precision: 32-true
log_every: 1
validate_every: 4
checkpoint_every: 2
"""
OF_THE_MACHINE = {"seconds", "images_per_second", "memory_mb"}


def write_experiment(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    scenes = [Scene(f"s{index}", rng.integers(0, 256, (2, 16, 16, 3), np.uint8)) for index in range(4)]
    write_packed(folder / "p.h5", scenes, "here", "train", "digest", 16)
    file = folder / "tiny.yaml"
    file.write_text(EXPERIMENT.format(folder / "p.h5"))
    return file


def train_it(file: Path, run: Path) -> None:
    """Start the run or go on with it, in one thread: then resuming is exact."""
    torch.set_num_threads(1)
    train(load_experiment(str(file), []), run, resume=True)


def test_training_survives_kills_at_any_moment(nursery: Nursery, share: Callable[[int], int], tmp_path: Path) -> None:
    file, whole = write_experiment(tmp_path), tmp_path / "whole"
    seconds = min(duration(nursery, train_it, file, run) for run in (tmp_path / "first", whole))
    rng, kills, runs = Random(0), 0, 0
    while kills < share(500):
        run, runs, patience = tmp_path / f"run_{runs}", runs + 1, seconds
        while killed(nursery, moment(rng, patience), train_it, file, run):
            kills, patience = kills + 1, 1.1 * patience  # or a machine that others keep busy would never come to an end
            _expect_whole_files(run, whole)
        assert load_weights(run).digest == load_weights(whole).digest
        assert curves(run) == curves(whole)


def _expect_whole_files(run: Path, whole: Path) -> None:
    """What has its final name is all there."""
    files = {path for path in finished_files(run) if path.parts[0] != "tensorboard"} if run.exists() else set()
    assert files <= finished_files(whole)
    for path in files:
        if path.suffix == ".safetensors":
            with safe_open(run / path, "pt") as stored:
                assert all(stored.get_tensor(key) is not None for key in stored.keys())  # noqa: SIM118
        elif path.suffix == ".yaml":
            assert (run / path).read_bytes() == (whole / path).read_bytes()


def curves(run: Path) -> list[list[str]]:
    """The rows of metrics.csv, without those that depend on the machine."""
    with open(run / "metrics.csv", newline="") as file:
        return [row for row in csv.reader(file) if row[1] not in OF_THE_MACHINE]
