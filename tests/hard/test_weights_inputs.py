"""Weights and training checkpoints made hostile: bytes, the header's JSON, the settings and the card within it."""

from __future__ import annotations

import functools
import json
import struct
from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import torch
from batches import Kind, Pickled, expect_none_at_fault
from mutation import as_json, mutated, mutated_tree, odd_value
from nursery import Nursery

from lds_models.registry import build_model
from lds_models.training.checkpoint import load_checkpoint, save_checkpoint
from lds_models.training.experiment import OptimiserConfig
from lds_models.training.trainer import build_optimiser
from lds_models.weights import WeightsError, load_weights, save_weights

SMALL = {
    "name": "monet",
    "image_size": 16,
    "num_slots": 2,
    "latent_dim": 2,
    "attention_channels": 2,
    "decoder_channels": 2,
}
CARD = {"name": "small", "training": {"data": "squares", "steps": 3, "experiment": {"model": SMALL}}, "notes": "none"}


@functools.cache
def weights(seed: int) -> bytes:
    return _saved(seed, lambda path, model: save_weights(path, model, CARD))


@functools.cache
def checkpoint(seed: int) -> bytes:
    def save(path: Path, model: torch.nn.Module) -> None:
        optimiser = _optimiser(model)
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
        optimiser.step()
        save_checkpoint(path, model, optimiser, 5, 1.5, "data")

    return _saved(seed, save)


def _saved(seed: int, save: Callable[[Path, torch.nn.Module], None]) -> bytes:
    torch.manual_seed(seed)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.safetensors"
        save(path, build_model(SMALL))
        return path.read_bytes()


def _optimiser(model: torch.nn.Module) -> torch.optim.Optimizer:
    return build_optimiser(model, OptimiserConfig(name="adam"))


def hostile(rng: Random, content: bytes, other: bytes) -> bytes:
    """Half of the time the header is good JSON, and says something else: of a tensor, of the model, of the card."""
    if rng.random() < 0.4:
        return mutated(rng, content, other)
    length = struct.unpack("<Q", content[:8])[0]
    header, tensors = json.loads(content[8 : 8 + length]), content[8 + length :]
    told = header["__metadata__"]
    key = rng.choice([*told, "a tensor"])
    if key == "a tensor":
        header = mutated_tree(rng, header)
    elif key in ("model", "card"):
        told[key] = as_json(rng, mutated_tree(rng, json.loads(told[key]))).decode()
    else:
        told[key] = str(odd_value(rng))
    text = as_json(rng, header)
    return struct.pack("<Q", len(text)) + text + tensors


def write_weights(rng: Random, folder: Path) -> Path:
    path = folder / "small.safetensors"
    path.write_bytes(hostile(rng, weights(0), weights(1)))
    if rng.random() < 0.02:
        torch.save({"a": Pickled()}, path)
    return path


def write_checkpoint(rng: Random, folder: Path) -> Path:
    path = folder / "checkpoint.safetensors"
    path.write_bytes(hostile(rng, checkpoint(0), checkpoint(1)))
    return path


def read_weights(path: Path) -> None:
    loaded = load_weights(path)
    assert isinstance(loaded.name, str)
    if loaded.model.num_slots <= 16:
        loaded.model.infer(torch.rand(1, 1, 3, 16, 16))


def read_checkpoint(path: Path) -> None:
    model = build_model(SMALL)
    optimiser = _optimiser(model)
    load_checkpoint(path, model, optimiser, "data")
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimiser.step()


def test_all_weights_are_read_or_refused(nursery: Nursery, share: Callable[[int], int], tmp_path: Path) -> None:
    expect_none_at_fault(nursery, Kind(write_weights, read_weights, (WeightsError,)), share(800), tmp_path)


def test_every_checkpoint_is_read_or_refused(nursery: Nursery, share: Callable[[int], int], tmp_path: Path) -> None:
    expect_none_at_fault(nursery, Kind(write_checkpoint, read_checkpoint, (WeightsError,)), share(500), tmp_path)
