"""Training through its command line: curves, exact resume after SIGKILL, and what it says of bad settings."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from safetensors import safe_open

from datasets.packing import write_packed
from datasets.scene import Scene
from lds_models.presets import preset_names
from lds_models.registry import ConfigError, build_model
from lds_models.training.batches import ImageBatches
from lds_models.training.checkpoint import load_checkpoint
from lds_models.training.errors import TrainingError
from lds_models.training.experiment import OptimiserConfig, lds_ramp, learning_rate, load_experiment
from lds_models.training.loop import train
from lds_models.weights import load_weights

EXPERIMENT = """
model: {{name: monet, image_size: 16, num_slots: 3, attention_channels: 4, decoder_channels: 4, lds_weight: 0.5}}
data: {{path: {data}, validation_path: {data}, validation_split: train}}
optimiser: {{name: rmsprop, lr: 1.0e-3, schedule: cosine, warmup_steps: 4}}
lds_warmup: [5, 15]
batch_size: 4
steps: {steps}
precision: 32-true
log_every: 1
validate_every: 10
checkpoint_every: 7
"""


def squares(count: int) -> list[Scene]:
    """Scenes of two views: a coloured square on white, with its mask."""
    rng = np.random.default_rng(0)
    scenes = []
    for index in range(count):
        images = np.full((2, 16, 16, 3), 230, np.uint8)
        masks = np.zeros((2, 16, 16), np.uint8)
        for view in range(2):
            row, column = rng.integers(0, 10, 2)
            images[view, row : row + 6, column : column + 6] = rng.integers(0, 200, 3)
            masks[view, row : row + 6, column : column + 6] = 1
        scenes.append(Scene(f"square_{index}", images, masks=masks))
    return scenes


@pytest.fixture
def packed_file(tmp_path: Path) -> Path:
    path = tmp_path / "squares.h5"
    write_packed(path, squares(12), "squares", "train", "digest", 16)
    return path


@pytest.fixture
def experiment_file(tmp_path: Path, packed_file: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(EXPERIMENT.format(data=packed_file, steps=30))
    return path


def lds_train(experiment: Path, run: Path, *more: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "lds_cli.main", "train", str(experiment), "--out", str(run), *more],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def curves(run: Path) -> list[list[str]]:
    with open(run / "metrics.csv", newline="") as file:
        return [row for row in csv.reader(file) if row[1] not in ("seconds", "images_per_second", "memory_mb")]


def test_run_killed_in_mid_training_goes_on_as_if_it_had_not_been(tmp_path: Path, experiment_file: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert lds_train(experiment_file, whole).wait() == 0

    process = lds_train(experiment_file, killed)
    deadline = time.monotonic() + 120
    # Between two checkpoints, so that steps are lost and done again.
    while not (killed / "checkpoint.safetensors").exists() or len(curves(killed)) < 70:
        assert time.monotonic() < deadline and process.poll() is None, process.communicate()[0]
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "weights.safetensors").exists()

    assert lds_train(experiment_file, killed, "--resume").wait() == 0
    assert curves(killed) == curves(whole)
    assert load_weights(killed).digest == load_weights(whole).digest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_that_is_asked_to_stop_keeps_its_last_step(tmp_path: Path, experiment_file: Path, number: int) -> None:
    run = tmp_path / "run"
    process = lds_train(experiment_file, run, "steps=100000", "checkpoint_every=100000")
    deadline = time.monotonic() + 120
    while not (run / "metrics.csv").exists() or len(curves(run)) < 10:
        assert time.monotonic() < deadline and process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    process.send_signal(number)
    output, _ = process.communicate()
    assert process.returncode == 130 and "--resume" in output
    with safe_open(run / "checkpoint.safetensors", "pt") as file:
        assert int(file.metadata()["step"]) == int(curves(run)[-1][0])


def test_run_leaves_curves_config_and_weights_with_a_card(tmp_path: Path, experiment_file: Path) -> None:
    run = tmp_path / "run"
    weights = train(load_experiment(str(experiment_file), ["steps=4"]), run, command="lds train tiny")
    assert {"config.yaml", "metrics.csv", "tensorboard", "checkpoint.safetensors"} <= {p.name for p in run.iterdir()}
    loaded = load_weights(weights)
    assert loaded.card["training"]["steps"] == 4
    assert loaded.card["training"]["images"] == 24
    assert loaded.card["training"]["command"] == "lds train tiny"
    names = {row[1] for row in curves(run)}
    assert {"total", "nll", "kl_latent", "kl_mask", "lds", "val_miou", "val_mse", "lr", "grad_norm"} <= names


def test_run_is_not_overwritten(tmp_path: Path, experiment_file: Path) -> None:
    experiment = load_experiment(str(experiment_file), ["steps=2"])
    train(experiment, tmp_path / "run")
    with pytest.raises(TrainingError, match="holds a run already.*--resume"):
        train(experiment, tmp_path / "run")


def test_resume_with_another_model_is_refused(tmp_path: Path, experiment_file: Path) -> None:
    train(load_experiment(str(experiment_file), ["steps=2"]), tmp_path / "run")
    with pytest.raises(ConfigError, match="started with another model"):
        train(load_experiment(str(experiment_file), ["model.num_slots=4"]), tmp_path / "run", resume=True)


def test_nan_loss_stops_with_the_batch_kept_and_the_step_named(
    tmp_path: Path, experiment_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = ["optimiser.lr=1e30", "optimiser.warmup_steps=0", "lds_warmup=[0,0]"]
    experiment = load_experiment(str(experiment_file), changes)
    with pytest.raises(TrainingError, match="is not finite; its batch is kept in not_finite_step_"):
        train(experiment, tmp_path / "run")
    (kept,) = (tmp_path / "run").glob("not_finite_step_*.safetensors")
    with safe_open(kept, "pt") as file:
        assert file.get_tensor("images").shape == (4, 1, 3, 16, 16)


def test_too_few_slots_are_warned_of(tmp_path: Path, packed_file: Path) -> None:
    file = tmp_path / "one.yaml"
    file.write_text(EXPERIMENT.format(data=packed_file, steps=1).replace("num_slots: 3", "num_slots: 1"))
    with pytest.warns(UserWarning, match="K = 1 slots are fewer than the background and 1 objects"):
        train(load_experiment(str(file), []), tmp_path / "run")


def test_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(b"\x10\0\0\0\0\0\0\0not a header....")
    model = build_model({"name": "monet", "image_size": 16})
    with pytest.raises(ValueError, match=f"{path}: cannot be resumed from"):
        load_checkpoint(path, model, torch.optim.Adam(model.parameters()))


def test_every_image_comes_once_an_epoch(packed_file: Path) -> None:
    from datasets.packing import read_packed

    packed = read_packed(packed_file)
    batches = ImageBatches(packed, batch_size=9, seed=3)
    seen = torch.cat([batches(step).images for step in range(8)])[:72]  # 72 images are three epochs of 24
    for epoch in range(3):
        images = seen[24 * epoch : 24 * epoch + 24, 0].permute(0, 2, 3, 1).numpy()
        assert sorted(i.tobytes() for i in images) == sorted(i.tobytes() for i in packed.images)
    torch.testing.assert_close(ImageBatches(packed, 9, seed=3)(5).images, batches(5).images)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["stepz=3"], "stepz"),
        (["steps=many"], "many"),
        (["steps"], "write key=value"),
        (["precision=16"], "choose from auto, bf16-mixed, 32-true"),
        (["optimiser.name=sgd"], "choose from rmsprop, adam"),
        (["batch_size=0"], "batch_size must be 1 or more"),
        (["lds_warmup=[5,2]"], "lds_warmup must be"),
    ],
)
def test_bad_settings_are_named(experiment_file: Path, settings: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_experiment(str(experiment_file), settings)


def test_unknown_experiment_lists_the_presets() -> None:
    with pytest.raises(ConfigError, match="paper_monet_lds"):
        load_experiment("paper_monet", [])


def test_missing_data_is_asked_for() -> None:
    with pytest.raises(ConfigError, match="data.path must be set"):
        load_experiment("paper_monet_lds", [])


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_builds_its_model(name: str) -> None:
    experiment = load_experiment(name, ["data.path=somewhere"])
    model = build_model(experiment.model)
    assert model.num_slots == experiment.model["num_slots"]
    assert (experiment.model["lds_weight"] > 0) == ("lds" in name)


def test_paper_presets_differ_by_lds_alone() -> None:
    base, lds = (load_experiment(f"paper_monet_{kind}", ["data.path=x"]) for kind in ("base", "lds"))
    assert lds.model.pop("lds_weight") == 0.5 and base.model.pop("lds_weight") == 0.0
    assert base == lds
    assert (base.optimiser.name, base.optimiser.lr, base.batch_size, base.steps) == ("rmsprop", 3e-4, 40, 600_000)


def test_gqn_schedule_is_the_papers() -> None:
    config = OptimiserConfig(lr=2e-4, schedule="gqn")
    for step, expected in ((0, 2e-4), (500_000, 1.1e-4), (1_000_000, 2e-5), (2_000_000, 2e-5)):
        assert learning_rate(config, step, steps=600_000) == pytest.approx(expected)


def test_lds_ramp_grows_between_its_steps() -> None:
    assert [lds_ramp([10, 20], step) for step in (0, 10, 15, 20, 99)] == [0, 0, 0.5, 1, 1]
    assert lds_ramp([0, 0], 0) == 1


def test_packed_file_keeps_images_masks_and_order(packed_file: Path) -> None:
    from datasets.packing import read_packed

    packed, scenes = read_packed(packed_file), squares(12)
    np.testing.assert_array_equal(packed.images, np.concatenate([s.images for s in scenes]))
    np.testing.assert_array_equal(packed.masks, np.concatenate([s.masks for s in scenes]))
    assert packed.names == [s.name for s in scenes] and packed.first_view.tolist() == list(range(0, 25, 2))
    with h5py.File(packed_file) as file:
        assert file["images"].dtype == np.uint8
