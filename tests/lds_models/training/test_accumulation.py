"""Batches that are computed in parts, one after another: the run that they would be whole, from less memory."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_runs import experiment_file, packed_squares_file, values

from lds_models.registry import MODELS, ConfigError
from lds_models.training.experiment import load_experiment
from lds_models.training.loop import train
from lds_models.weights import load_weights


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return packed_squares_file(tmp_path / "squares.h5")


def trained(file: Path, run: Path, *settings: str, resume: bool = False) -> torch.Tensor:
    """All weights that a run ends with, in one vector.

    Gradients are clipped to where Adam does not scale them up: rounding in those that are almost 0 would be, too.
    """
    always = ["data.validation_split=null", "optimiser.clip_norm=1e-6"]
    train(load_experiment(str(file), [*always, *settings]), run, resume)
    return torch.nn.utils.parameters_to_vector(load_weights(run).model.parameters()).detach()


@pytest.mark.parametrize("model", [name for name, (_, kind) in MODELS.items() if not kind.mixes_images])
def test_parts_of_a_batch_give_the_run_of_the_whole_also_where_it_is_resumed_with_others(
    tmp_path: Path, data: Path, model: str
) -> None:
    file = experiment_file(tmp_path, data, model, steps=8)
    whole = trained(file, tmp_path / "whole")
    first = trained(file, tmp_path / "parts", "steps=4", "accumulate=2")
    parts = trained(file, tmp_path / "parts", "accumulate=4", resume=True)
    assert values(tmp_path / "parts") == pytest.approx(values(tmp_path / "whole"), rel=3e-5, abs=5e-5)
    assert (parts - whole).norm() < 1e-3 * (whole - first).norm()


def test_the_model_is_given_a_part_at_a_time(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lds_models.mulmon import MulMON

    loss, seen = MulMON.loss, []

    def watched(self: MulMON, images: torch.Tensor, viewpoints: torch.Tensor) -> object:
        seen.append((len(images), len(viewpoints)))
        return loss(self, images, viewpoints)

    monkeypatch.setattr(MulMON, "loss", watched)
    trained(experiment_file(tmp_path, data, "mulmon"), tmp_path / "run", "steps=2", "accumulate=2")
    assert seen == [(2, 2)] * 4


@pytest.mark.parametrize(
    ("model", "parts", "message"),
    [
        ("monet", 3, "batch_size is 4, .* cannot be cut into 3 equal parts; set it to a multiple of 3"),
        ("monet", 0, "accumulate must be 1 or more, got 0"),
        ("genesis", 2, "accumulate is 2, and genesis normalises over the whole batch: leave it out"),
    ],
)
def test_parts_that_cannot_be_are_refused(tmp_path: Path, data: Path, model: str, parts: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        trained(experiment_file(tmp_path, data, model), tmp_path / "run", f"accumulate={parts}")
    assert not (tmp_path / "run").exists()
