"""Checkpoints that are not what they should be are refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from tiny_runs import SMALL

from lds_models.registry import build_model
from lds_models.training.checkpoint import load_checkpoint, save_checkpoint
from lds_models.training.experiment import OptimiserConfig
from lds_models.training.trainer import build_optimiser
from lds_models.weights import WeightsError

SETTINGS = {
    key: SMALL[key] for key in ("image_size", "num_slots", "latent_dim", "attention_channels", "decoder_channels")
}


@pytest.fixture
def state() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    model = build_model({"name": "monet", **SETTINGS})
    optimiser = build_optimiser(model, OptimiserConfig(name="adam"))
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimiser.step()
    return model, optimiser


@pytest.mark.parametrize(
    ("tensors", "metadata"),
    [
        ({}, {"step": "many"}),
        ({}, {"seconds": "[1]"}),
        ({"optimiser/nothing/exp_avg": torch.zeros(1)}, {}),
        ({"optimiser/nothing": torch.zeros(1)}, {}),
        ({"random/cpu": torch.zeros(3)}, {}),
        ({"random/cpu": None}, {}),
        ({"model/decoder.head.bias": torch.zeros(1)}, {}),
        ({"optimiser/decoder.head.bias/exp_avg": None}, {}),
        ({"optimiser/decoder.head.bias/exp_avg": torch.zeros(1, 2)}, {}),
    ],
    ids=[
        "step",
        "seconds",
        "parameter",
        "entry",
        "random state",
        "no random state",
        "shape",
        "half a state",
        "its shape",
    ],
)
def test_a_checkpoint_that_is_wrong_inside_is_refused_in_one_line(
    tmp_path: Path, state: tuple, tensors: dict, metadata: dict
) -> None:
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, *state, 5, 1.5, "data")
    with safe_open(path, "pt") as file:
        told = file.metadata() | metadata
        held = {key: file.get_tensor(key) for key in file.keys()} | tensors  # noqa: SIM118
    save_file({key: value for key, value in held.items() if value is not None}, path, told)
    with pytest.raises(WeightsError, match=f"{path}: cannot be resumed from") as refused:
        load_checkpoint(path, *state, "data")
    assert "\n" not in str(refused.value)
