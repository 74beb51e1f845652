"""A training run: what it leaves behind, how it is killed, stopped and resumed, and what stops it by itself."""

from __future__ import annotations

import csv
import re
import shlex
import shutil
import signal
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from safetensors import safe_open
from tiny_runs import curves, experiment_file, lds_train, packed_squares_file, squares, values

from datasets.packing import write_packed
from datasets.recorded import write_dataset_index, write_scene
from datasets.scene import DatasetError
from lds_models.registry import ConfigError, build_model
from lds_models.training.checkpoint import load_checkpoint
from lds_models.training.curves import Curves
from lds_models.training.errors import TrainingError
from lds_models.training.experiment import load_experiment
from lds_models.training.loop import train
from lds_models.weights import WeightsError, load_weights


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    return experiment_file(tmp_path, packed_squares_file(tmp_path / "squares.h5", views=(2,)), steps=30)


def test_run_killed_in_mid_training_goes_on_as_if_it_had_not_been(tmp_path: Path, experiment: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    settings = ("optimiser.name=rmsprop", "optimiser.schedule=cosine", "checkpoint_every=7")
    assert lds_train(experiment, whole, *settings).wait() == 0

    process = lds_train(experiment, killed, *settings)
    deadline = time.monotonic() + 120
    # Between two checkpoints, so that steps are lost and done again.
    while not (killed / "checkpoint.safetensors").exists() or len(curves(killed)) < 70:
        assert time.monotonic() < deadline and process.poll() is None, process.communicate()[0]
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "weights.safetensors").exists()

    assert lds_train(experiment, killed, *settings, "--resume").wait() == 0
    assert curves(killed) == curves(whole)
    assert load_weights(killed).digest == load_weights(whole).digest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_that_is_asked_to_stop_keeps_its_last_step(tmp_path: Path, experiment: Path, number: int) -> None:
    run = tmp_path / "run"
    process = lds_train(experiment, run, "steps=100000", "checkpoint_every=100000")
    deadline = time.monotonic() + 120
    while not (run / "metrics.csv").exists() or len(curves(run)) < 10:
        assert time.monotonic() < deadline and process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    process.send_signal(number)
    output, _ = process.communicate()
    assert process.returncode == 130 and "--resume" in output
    with safe_open(run / "checkpoint.safetensors", "pt") as file:
        assert int(file.metadata()["step"]) == int(curves(run)[-1][0])


def test_run_leaves_curves_config_and_weights_with_a_card(tmp_path: Path, experiment: Path) -> None:
    run = tmp_path / "run"
    weights = train(load_experiment(str(experiment), ["steps=4"]), run, command="lds train tiny")
    assert {"config.yaml", "metrics.csv", "tensorboard", "checkpoint.safetensors"} <= {p.name for p in run.iterdir()}
    loaded = load_weights(weights)
    assert loaded.card["training"]["steps"] == 4
    assert loaded.card["training"]["images"] == 24
    assert loaded.card["training"]["command"] == "lds train tiny"
    names = {row[1] for row in curves(run)}
    assert {"total", "nll", "kl_latent", "kl_mask", "lds", "val_miou", "val_mse", "lr", "grad_norm"} <= names


def test_run_starts_from_the_weights_of_another(tmp_path: Path, experiment: Path) -> None:
    """Settings may differ where shapes do not: K, LDS. At learning rate 0 the weights stay what they were."""
    first, second = tmp_path / "first", tmp_path / "second"
    train(load_experiment(str(experiment), ["steps=3"]), first)
    settings = ["steps=2", f"start_from={first}", "optimiser.lr=0", "model.num_slots=4", "model.lds_weight=0"]
    train(load_experiment(str(experiment), settings), second)
    assert load_weights(second).digest == load_weights(first).digest
    assert load_weights(second).model.num_slots == 4
    assert load_weights(second).card["training"]["experiment"]["start_from"] == str(first)
    with pytest.raises(ConfigError, match="was started with another start_from"):
        train(load_experiment(str(experiment), [*settings, f"start_from={second}", "steps=4"]), second, resume=True)
    digest = load_weights(first).digest
    shutil.rmtree(first)  # a run that has begun needs it no more
    train(load_experiment(str(experiment), [*settings, "steps=4"]), second, resume=True)
    assert load_weights(second).digest == digest


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        ("monet", ["model.latent_dim=5"], "monet with these settings cannot start from these weights .*size mismatch"),
        ("iodine", [], "iodine with these settings cannot start from these weights \\(they are of monet\\)"),
    ],
)
def test_weights_that_a_run_cannot_start_from_are_refused(
    tmp_path: Path, experiment: Path, model: str, settings: list[str], message: str
) -> None:
    first = train(load_experiment(str(experiment), ["steps=1"]), tmp_path / "first")
    other = experiment_file(tmp_path, packed_squares_file(tmp_path / "more.h5"), model, steps=1)
    with pytest.raises(WeightsError, match=message):
        train(load_experiment(str(other), [*settings, f"start_from={first}"]), tmp_path / "second")


def test_curves_tell_pace_and_memory(tmp_path: Path, experiment: Path) -> None:
    train(load_experiment(str(experiment), ["steps=4", "log_every=2"]), tmp_path / "run")
    with open(tmp_path / "run" / "metrics.csv", newline="") as file:
        rows = {(row[0], row[1]): float(row[2]) for row in list(csv.reader(file))[1:]}
    for step in ("2", "4"):
        assert rows[step, "images_per_second"] > 0
        assert 10 < rows[step, "memory_mb"] < 100_000


def test_run_is_not_overwritten(tmp_path: Path, experiment: Path) -> None:
    loaded = load_experiment(str(experiment), ["steps=2"])
    train(loaded, tmp_path / "run")
    with pytest.raises(TrainingError, match="holds a run already.*--resume"):
        train(loaded, tmp_path / "run")


def test_settings_and_curves_stay_as_they_were_until_the_new_ones_are_whole(
    tmp_path: Path, experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    train(load_experiment(str(experiment), ["steps=2"]), run)
    before = {name: (run / name).read_bytes() for name in ("config.yaml", "metrics.csv")}

    def interrupted(source: object, target: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(load_experiment(str(experiment), []), run, resume=True)
    with pytest.raises(KeyboardInterrupt):
        Curves(run, 1)
    assert before == {name: (run / name).read_bytes() for name in before}


def test_damaged_settings_of_a_run_are_told(tmp_path: Path, experiment: Path) -> None:
    train(load_experiment(str(experiment), ["steps=2"]), tmp_path / "run")
    (tmp_path / "run" / "config.yaml").write_text("model: [1")
    with pytest.raises(ConfigError, match="config.yaml: cannot be read .*delete it to go on"):
        train(load_experiment(str(experiment), []), tmp_path / "run", resume=True)


@pytest.mark.parametrize("setting", ["model.num_slots=4", "batch_size=2", "seed=5", "optimiser.name=rmsprop"])
def test_resume_with_another_model_batch_or_optimiser_is_refused(
    tmp_path: Path, experiment: Path, setting: str
) -> None:
    train(load_experiment(str(experiment), ["steps=2"]), tmp_path / "run")
    changed = setting.partition("=")[0].replace("model.num_slots", "model")
    with pytest.raises(ConfigError, match=f"started with another {changed}"):
        train(load_experiment(str(experiment), [setting]), tmp_path / "run", resume=True)


def test_resume_on_other_data_is_refused(tmp_path: Path, experiment: Path) -> None:
    """The same command, and scenes were recorded in between: what was learned is of other data than the card tells."""
    run = tmp_path / "run"
    train(load_experiment(str(experiment), ["steps=2"]), run)
    with h5py.File(tmp_path / "squares.h5", "a") as file:
        file.attrs["digest"] = "another"
    with pytest.raises(WeightsError, match="checkpoint.safetensors: was trained on other data .*, not another"):
        train(load_experiment(str(experiment), []), run, resume=True)


def test_two_trainings_in_one_folder_are_refused(tmp_path: Path, experiment: Path) -> None:
    run, settings = tmp_path / "run", ("steps=100000", "checkpoint_every=100000")
    first = lds_train(experiment, run, *settings)
    deadline = time.monotonic() + 120
    while not (run / "metrics.csv").exists():
        assert time.monotonic() < deadline and first.poll() is None, first.communicate()[0]
        time.sleep(0.05)
    for resume in (False, True):
        with pytest.raises(TrainingError, match="run: another training is at work there"):
            train(load_experiment(str(experiment), []), run, resume=resume)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert train(load_experiment(str(experiment), ["steps=2"]), run).exists()  # the dead one holds nothing


@pytest.mark.parametrize(("held_out", "split"), [("test", "test"), ("null", "train")])
def test_the_command_that_is_told_evaluates_the_run(
    tmp_path: Path, experiment: Path, held_out: str, split: str
) -> None:
    write_packed(tmp_path / "t.h5", squares(4), "here", "test", "d", 16)
    run, path = tmp_path / "a run [b]", tmp_path / "t.h5"
    process = lds_train(experiment, run, "steps=2", f"data.validation_path={path}", f"data.validation_split={held_out}")
    told = process.communicate()[0].rpartition("Evaluate it: ")[2].strip()
    data = path if split == "test" else tmp_path / "squares.h5"
    assert shlex.split(told) == shlex.split(f"lds eval '{run}' --data {data} --split {split} --out '{run}/eval'")


def test_loss_that_is_not_finite_stops_the_run_and_what_it_says_to_do_works(tmp_path: Path, experiment: Path) -> None:
    run = tmp_path / "run"
    train(load_experiment(str(experiment), ["steps=5"]), run)
    kept = (run / "checkpoint.safetensors").read_bytes()
    with pytest.raises(
        TrainingError,
        match="the loss of step 6 is not finite; its batch is kept in not_finite_step_6_process_0.safetensors, and the "
        "last checkpoint is good: --resume with a lower optimiser.lr",
    ):
        train(load_experiment(str(experiment), ["optimiser.lr=1e30", "data.validation_split=null"]), run, resume=True)
    with safe_open(run / "not_finite_step_6_process_0.safetensors", "pt") as file:
        assert file.get_tensor("images").shape == (4, 1, 3, 16, 16)
    assert (run / "checkpoint.safetensors").read_bytes() == kept

    train(load_experiment(str(experiment), ["optimiser.lr=1e-4", "steps=8"]), run, resume=True)
    assert all(np.isfinite(value) for value in values(run).values())


def test_viewpoints_are_kept_with_the_images_of_a_loss_that_is_not_finite(tmp_path: Path) -> None:
    data = packed_squares_file(tmp_path / "squares.h5")
    with h5py.File(data, "a") as file:
        file["viewpoints/clevr"][4, 0] = np.nan
    loaded = load_experiment(str(experiment_file(tmp_path, data, "mulmon")), ["data.validation_split=null"])
    with pytest.raises(TrainingError, match=r"the loss of step [012] is not finite; .*and start again with a lower"):
        train(loaded, tmp_path / "run")
    (kept,) = (tmp_path / "run").glob("not_finite_step_*.safetensors")
    with safe_open(kept, "pt") as file:
        assert file.get_tensor("images").shape == (4, 3, 3, 16, 16)
        assert file.get_tensor("viewpoints").isnan().sum() == 1


def test_gradient_that_is_not_finite_stops_the_run(
    tmp_path: Path, experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lds_models.monet import MONet

    loss = MONet.loss

    def spoilt(self: MONet, *batch: torch.Tensor) -> object:
        next(self.parameters()).register_hook(lambda gradient: gradient / 0)
        return loss(self, *batch)

    monkeypatch.setattr(MONet, "loss", spoilt)
    with pytest.raises(TrainingError, match="the gradient of step 0 is not finite"):
        train(load_experiment(str(experiment), []), tmp_path / "run")


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
)
def test_memory_that_runs_out_is_told_with_what_to_do(
    tmp_path: Path, experiment: Path, monkeypatch: pytest.MonkeyPatch, error: RuntimeError
) -> None:
    from lds_models.monet import MONet

    run, reason = tmp_path / "run", re.escape(str(error))
    first, more = (load_experiment(str(experiment), [f"steps={steps}"]) for steps in (2, 4))

    def greedy(self: MONet, *batch: torch.Tensor) -> object:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(MONet, "loss", greedy)
        message = "start again with a lower batch_size or with model.checkpointing=true or accumulate=2"
        with pytest.raises(TrainingError, match=f"{run}: memory ran out in step 0 \\({reason}\\); {message}$"):
            train(first, run)
    train(first, run)
    with monkeypatch.context() as patch:
        patch.setattr(MONet, "loss", greedy)
        lower, both = (
            "start again with a lower batch_size and another --out", "model.checkpointing=true or accumulate=2"
        )  # fmt: skip
        with pytest.raises(TrainingError, match=f"step 2 .*: --resume with {both}, or {lower}$"):
            train(more, run, resume=True)
        frugal = load_experiment(str(experiment), ["steps=4", "model.checkpointing=true", "accumulate=4"])
        with pytest.raises(TrainingError, match=f"step 2 .*; {lower}$"):
            train(frugal, run, resume=True)
    train(frugal, run, resume=True)
    assert load_weights(run).card["training"]["steps"] == 4


def test_an_error_of_another_kind_is_not_taken_for_one_of_memory(
    tmp_path: Path, experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lds_models.monet import MONet

    def broken(self: MONet, *batch: torch.Tensor) -> object:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(MONet, "loss", broken)
    with pytest.raises(RuntimeError, match="^shapes do not fit$"):
        train(load_experiment(str(experiment), []), tmp_path / "run")


def test_too_few_slots_are_warned_of(tmp_path: Path, experiment: Path) -> None:
    loaded = load_experiment(str(experiment), ["steps=1", "model.num_slots=1"])
    with pytest.warns(UserWarning, match="K = 1 slots are fewer than the background and 1 objects"):
        train(loaded, tmp_path / "run")


@pytest.mark.parametrize("validated", [False, True])
def test_too_few_slots_are_told_by_the_images_trained_on_where_no_others_have_masks(
    tmp_path: Path, experiment: Path, validated: bool
) -> None:
    bare = packed_squares_file(tmp_path / "bare.h5")
    with h5py.File(bare, "a") as file:
        del file["masks"]
    validation = f"data.validation_path={bare}" if validated else "data.validation_split=null"
    loaded = load_experiment(str(experiment), ["steps=1", "model.num_slots=1", validation])
    with pytest.warns(UserWarning, match="K = 1 slots are fewer than the background and 1 objects"):
        train(loaded, tmp_path / "run")


@pytest.mark.parametrize("splits", [{"train": [0, 1]}, {"train": [0, 1], "test": []}])
def test_recorded_dataset_without_a_test_split_trains_without_validation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, splits: dict[str, list[int]]
) -> None:
    monkeypatch.setenv("LDS_CACHE", str(tmp_path / "cache"))
    data = tmp_path / "recorded"
    names = [f"scene_{index:06d}.h5" for index in range(2)]
    for name, scene in zip(names, squares(2), strict=True):
        write_scene(data / name, scene)
    named = {split: [names[i] for i in members] for split, members in splits.items()}
    write_dataset_index(data, "recorded", "recorded", dict.fromkeys(names, 3), named)
    file = experiment_file(tmp_path, data)
    wanted = ["data.validation_path=null", "data.validation_split=test", "steps=2"]
    with pytest.raises(DatasetError, match="test.*To train without validation, set data.validation_split=null"):
        train(load_experiment(str(file), wanted), tmp_path / "run")
    train(load_experiment(str(file), [*wanted, "data.validation_split=null"]), tmp_path / "run")
    assert not any(name.startswith("val_") for _, name in values(tmp_path / "run"))


def test_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(b"\x10\0\0\0\0\0\0\0not a header....")
    model = build_model({"name": "monet", "image_size": 16})
    with pytest.raises(ValueError, match=f"{path}: cannot be resumed from"):
        load_checkpoint(path, model, torch.optim.Adam(model.parameters()), "")
