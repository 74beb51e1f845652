"""What a training run does to the weights, against a loop of plain PyTorch that is given the same batches and noise."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from tiny_runs import experiment_file, packed_squares_file, values

from datasets.packing import read_packed
from lds_models.model import SceneModel
from lds_models.registry import build_model
from lds_models.training.batches import make_batches
from lds_models.training.experiment import load_experiment
from lds_models.training.loop import train
from lds_models.weights import load_weights

SETTINGS = (
    "steps=6", "optimiser.schedule=cosine", "optimiser.lr=0.001", "optimiser.warmup_steps=3", "lds_warmup=[1,4]",
    "data.validation_split=null", "model.lds_weight=20",
)  # fmt: skip
# By hand: cos(0), cos(30 deg), ... between the learning rate and a fiftieth of it, times 1/3, 2/3, 1, 1, ...
RATES = (0.00033333333, 0.00062290132, 0.000755, 0.00051, 0.000265, 0.000085647552)
LDS_SHARES = (0, 0, 1 / 3, 2 / 3, 1, 1)
# So low that the optimisers do not divide it out again: of numbers around their 1e-8 they keep the scale.
CLIP = 1e-6
OPTIMISERS = {"adam": torch.optim.Adam, "rmsprop": torch.optim.RMSprop}


def fresh_model(file: Path) -> SceneModel:
    """The model that a run of the experiment starts with; random numbers go on from there."""
    torch.manual_seed(0)
    return build_model(OmegaConf.to_container(OmegaConf.load(file).model) | {"lds_weight": 20.0})


def trained_plainly(file: Path, data: Path, optimiser_name: str) -> tuple[SceneModel, list[float]]:
    """The model after six steps, and the norm of each step's gradient before it was clipped."""
    model, norms = fresh_model(file), []
    optimiser = OPTIMISERS[optimiser_name](model.parameters())
    batches = make_batches(model, read_packed(data), None, 4, 0, (0, 1))
    for step, (rate, share) in enumerate(zip(RATES, LDS_SHARES, strict=True)):
        batch = batches(step)
        model.lds_scale = share
        optimiser.zero_grad()
        model.loss(batch.images / 255.0, batch.viewpoints).total.backward()
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        norms.append(math.sqrt(sum(float(gradient.double().square().sum()) for gradient in gradients)))
        for gradient in gradients:
            gradient.mul_(min(1.0, CLIP / norms[-1]))
        optimiser.param_groups[0]["lr"] = rate
        optimiser.step()
    return model, norms


@pytest.mark.parametrize(("name", "optimiser"), [("monet", "rmsprop"), ("mulmon", "adam")])
def test_a_run_trains_as_plain_steps_with_its_schedules_and_clipping_do(
    tmp_path: Path, name: str, optimiser: str
) -> None:
    data = packed_squares_file(tmp_path / "squares.h5")
    file, run = experiment_file(tmp_path, data, name), tmp_path / "run"
    settings = [*SETTINGS, f"optimiser.name={optimiser}", f"optimiser.clip_norm={CLIP}"]
    train(load_experiment(str(file), settings), run)
    plain, norms = trained_plainly(file, data, optimiser)
    told = values(run)
    for step, (rate, norm) in enumerate(zip(RATES, norms, strict=True), 1):
        assert told[step, "lr"] == pytest.approx(rate, rel=1e-6)
        assert told[step, "grad_norm"] == pytest.approx(norm, rel=1e-3)
    trained, expected, first = (
        torch.nn.utils.parameters_to_vector(model.parameters())
        for model in (load_weights(run).model, plain, fresh_model(file))
    )
    error, way = (trained - expected).norm(), (expected - first).norm()
    assert error < 1e-4 * way
