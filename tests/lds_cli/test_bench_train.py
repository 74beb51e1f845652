"""`lds bench train`: its choices, its rows, and that the steps it measures are real training steps."""

from __future__ import annotations

import pytest
import torch
from typer.testing import CliRunner

from lds_cli import bench_train
from lds_cli.bench_process import Apart
from lds_cli.bench_steps import Workload, fast_step, plain_step
from lds_cli.main import app


def test_unknown_models_are_named_with_the_choices() -> None:
    result = CliRunner().invoke(app, ["bench", "train", "--models", "monet,monnet"], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert "there is no monnet; choose from monet, iodine, mulmon, genesis" in result.output


def test_rows_are_those_of_the_models_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[tuple] = []

    def measure(steps: list[Apart], rounds: int) -> tuple[list[float], float]:
        measured.append((len(steps), rounds))
        return [0.5, 4.0, 0.25][: len(steps)], 1000.0

    monkeypatch.setattr(bench_train, "_measure", measure)
    rows = {row.name: row for row in bench_train.train_rows(["iodine"], rounds=3)}
    assert list(rows) == ["iodine/train_step", "iodine/train_step_batch_8"]
    step, larger = rows.values()
    assert (step.median, step.reference_median, step.ratio, step.peak_memory_mb) == (500.0, 4000.0, 8.0, 1000.0)
    assert (larger.reference_median, larger.ratio, larger.peak_memory_mb) == (None, None, 1000.0)
    assert measured == [(2, 3), (1, 3)]
    alone = bench_train.train_rows(["genesis"], reference=False)
    assert [row.ratio for row in alone] == [None]
    names = [row.name for row in bench_train.train_rows(["monet"])]
    assert names == ["monet/train_step", "monet/lds_prior", "monet/train_step_with_data"]


@pytest.mark.parametrize("make", [fast_step, plain_step])
def test_measured_steps_train(make, monkeypatch: pytest.MonkeyPatch) -> None:
    models = []
    monkeypatch.setattr("lds_cli.train.ready_memory", lambda: None)  # of this process it stays as it is
    build = torch.optim.Adam.__init__

    def remember(self, parameters, *args, **kwargs) -> None:
        models.append(list(parameters))
        build(self, models[-1], *args, **kwargs)

    monkeypatch.setattr(torch.optim.Adam, "__init__", remember)
    step = make(Workload("mulmon", batch=1, views=2, observed=1))
    before = [parameter.detach().clone() for parameter in models[0]]
    step()
    assert all((new != old).any() for new, old in zip(models[0], before, strict=True))
