"""Training on two processes, which torchrun starts: what one process would compute, and how they end together."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import h5py
import pytest
from safetensors import safe_open
from tiny_runs import curves, experiment_file, lds_train, packed_squares_file, torchrun, values

from lds_models.registry import MODELS
from lds_models.training.experiment import load_experiment
from lds_models.training.loop import train
from lds_models.weights import load_weights

STEPS, CUT = 10, 5
PROGRAM = Path(__file__).with_name("on_two_processes.py")


@dataclass(frozen=True)
class Runs:
    """Runs in one folder, and what the two processes said of those that they shared in."""

    folder: Path
    messages: dict[str, list[str | None]]

    def file(self, model: str) -> Path:
        return self.folder / f"{model}.yaml"

    def train_alone(self, model: str, run: str, resume: bool = False, *settings: str) -> None:
        train(load_experiment(str(self.file(model)), list(settings)), self.folder / run, resume)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Every training on two processes that these tests look at: starting processes is what takes the time."""
    folder = tmp_path_factory.mktemp("runs")
    data = packed_squares_file(folder / "squares.h5")
    alone = Runs(folder, {})
    jobs: dict[str, dict] = {}
    for model in MODELS:
        file = str(experiment_file(folder, data, model, STEPS))
        alone.train_alone(model, f"{model}_1_then_2", False, f"steps={CUT}")
        jobs[f"{model}_2"] = {"experiment": file, "settings": []}
        jobs[f"{model}_2_then_1"] = {"experiment": file, "settings": [f"steps={CUT}"]}
        jobs[f"{model}_1_then_2"] = {"experiment": file, "settings": [], "resume": True}
    mulmon = str(folder / "mulmon.yaml")
    jobs["in_parts"] = {"experiment": mulmon, "settings": ["accumulate=2"]}
    monet = str(folder / "monet.yaml")
    jobs["odd"] = {"experiment": monet, "settings": ["batch_size=5"]}
    jobs["no_data"] = {"experiment": monet, "settings": ["data.path=/nowhere"]}
    jobs["diverged"] = {"experiment": monet, "settings": [], "spoil": 7}
    broken = packed_squares_file(folder / "broken.h5")
    with h5py.File(broken, "a") as file:
        file["viewpoints/clevr"][0, 0] = math.nan
    settings = [f"data.path={broken}", "data.validation_split=null"]
    jobs["not_finite"] = {"experiment": mulmon, "settings": settings}

    listed = folder / "jobs.json"
    listed.write_text(json.dumps([job | {"run": str(folder / name)} for name, job in jobs.items()]))
    done = subprocess.run(
        [*torchrun(2), str(PROGRAM), str(listed)],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    said = [json.loads(Path(f"{listed}.{rank}").read_text()) for rank in range(2)]
    return Runs(folder, {name: list(messages) for name, *messages in zip(jobs, *said, strict=True)})


@pytest.mark.parametrize("model", MODELS)
def test_two_processes_and_checkpoints_between_them_and_one_give_the_curves_of_one(runs: Runs, model: str) -> None:
    runs.train_alone(model, f"{model}_1")
    runs.train_alone(model, f"{model}_2_then_1", True)
    expected = values(runs.folder / f"{model}_1")
    for name in ("2", "2_then_1", "1_then_2"):
        run = runs.folder / f"{model}_{name}"
        found = {key: value for key, value in values(run).items() if key in expected}
        assert set(found) == set(expected), name
        for key, value in expected.items():
            # Rounding may give a pixel or two of the 8 validation images to another slot.
            tolerance = 0.01 if key[1] == "val_miou" else 5e-5
            assert found[key] == pytest.approx(value, rel=3e-5, abs=tolerance), (name, key)
        assert load_weights(run).card["training"]["steps"] == STEPS


def test_two_processes_that_compute_their_shares_in_parts_give_the_losses_of_one(runs: Runs) -> None:
    runs.train_alone("mulmon", "whole", False, "data.validation_split=null")
    expected, found = values(runs.folder / "whole"), values(runs.folder / "in_parts")
    assert {key: found[key] for key in expected} == pytest.approx(expected, rel=3e-5, abs=5e-5)


def test_batch_that_cannot_be_cut_into_equal_parts_is_refused(runs: Runs) -> None:
    for message in runs.messages["odd"]:
        assert "batch_size is 5" in message and "cannot be cut into 2 equal parts; set it to a multiple of 2" in message


def test_what_fails_in_one_process_ends_all(runs: Runs) -> None:
    assert runs.messages["no_data"] == ["/nowhere: no such folder", "another process failed; see its message"]


def test_processes_whose_models_differ_stop_before_the_next_checkpoint(runs: Runs) -> None:
    for message in runs.messages["diverged"]:
        assert "after step 10 the model of process 1 differs from that of process 0" in message
    with safe_open(runs.folder / "diverged" / "checkpoint.safetensors", "pt") as file:
        assert file.metadata()["step"] == "5"


def test_numbers_that_are_not_finite_in_one_process_stop_all_and_its_batch_is_kept(runs: Runs) -> None:
    first, second = runs.messages["not_finite"]
    assert first == second and "the loss of step " in first and "is not finite" in first
    (kept,) = (runs.folder / "not_finite").glob("not_finite_step_*.safetensors")  # of one process of the two
    assert kept.name in first
    with safe_open(kept, "pt") as file:
        assert file.get_tensor("images").shape == (2, 3, 3, 16, 16)
        assert file.get_tensor("viewpoints").isnan().sum() == 1


def test_ctrl_c_ends_all_processes_after_the_same_step(tmp_path: Path) -> None:
    run = tmp_path / "run"
    file = experiment_file(tmp_path, packed_squares_file(tmp_path / "squares.h5"))
    settings = ("steps=100000", "checkpoint_every=100000")
    process = lds_train(file, run, *settings, launcher=torchrun(2))
    deadline = time.monotonic() + 240
    while not (run / "metrics.csv").exists() or len(curves(run)) < 10:
        assert time.monotonic() < deadline and process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode != 0 and output.count("--resume") == 1
    with safe_open(run / "checkpoint.safetensors", "pt") as checkpoint:
        assert int(checkpoint.metadata()["step"]) == int(curves(run)[-1][0])
