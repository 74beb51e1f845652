"""A run that is cut off and goes on ends up, number for number, where it would have; for every model there is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tiny_runs import curves, experiment_file, packed_squares_file

from lds_models.registry import MODELS
from lds_models.training.experiment import load_experiment
from lds_models.training.loop import train
from lds_models.weights import load_weights


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums over threads may be added up in any order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("model", MODELS)
def test_run_in_two_parts_is_the_run_in_one(tmp_path: Path, model: str) -> None:
    file = experiment_file(tmp_path, packed_squares_file(tmp_path / "squares.h5"), model, steps=12)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(load_experiment(str(file), []), whole)
    train(load_experiment(str(file), ["steps=7"]), parts)
    torch.manual_seed(1234)
    train(load_experiment(str(file), []), parts, resume=True)
    # Validation comes after the last step of a run as well.
    assert [row for row in curves(parts) if row[0] != "7" or not row[1].startswith("val_")] == curves(whole)
    assert load_weights(parts).digest == load_weights(whole).digest


@pytest.mark.parametrize("model", MODELS)
def test_run_that_goes_on_with_checkpointing_has_the_weights_of_one_without(tmp_path: Path, model: str) -> None:
    file = experiment_file(tmp_path, packed_squares_file(tmp_path / "squares.h5"), model, steps=8)
    plain, frugal = tmp_path / "plain", tmp_path / "frugal"
    train(load_experiment(str(file), []), plain)
    train(load_experiment(str(file), ["steps=4"]), frugal)
    train(load_experiment(str(file), ["model.checkpointing=true"]), frugal, resume=True)
    assert load_weights(frugal).model.config.checkpointing
    for kept, again in zip(*(load_weights(run).model.parameters() for run in (plain, frugal)), strict=True):
        torch.testing.assert_close(kept, again)


@pytest.mark.parametrize("model", MODELS)
def test_validation_does_not_change_training(tmp_path: Path, model: str) -> None:
    file = experiment_file(tmp_path, packed_squares_file(tmp_path / "squares.h5"), model, steps=6)
    train(load_experiment(str(file), ["validate_every=1"]), tmp_path / "often")
    train(load_experiment(str(file), ["data.validation_split=null"]), tmp_path / "never")
    assert load_weights(tmp_path / "often").digest == load_weights(tmp_path / "never").digest
