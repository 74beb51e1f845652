from __future__ import annotations

import csv
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from colour_scenes import packed_orbits, packed_squares
from typer.testing import CliRunner

from datasets.camera import look_at, pinhole
from datasets.dataset_index import write_dataset_index
from datasets.recorded import write_scene
from datasets.scene import DatasetError, Scene
from lds_cli.evaluate import evaluate
from lds_models.monet import MONet, MONetConfig
from lds_models.registry import build_model
from lds_models.weights import WeightsError, save_weights

SCENES, VIEWS = 3, 2


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A folder with `squares`, a dataset of 48x48, and `tiny.safetensors`, untrained weights for 32x32."""
    home = tmp_path_factory.mktemp("eval")
    packed = packed_squares(SCENES, VIEWS, size=48)
    files = {}
    for index, name in enumerate(packed.names):
        views = slice(packed.first_view[index], packed.first_view[index + 1])
        scene = Scene(name, packed.images[views], masks=packed.masks[views])
        (home / "squares").mkdir(exist_ok=True)
        write_scene(home / "squares" / f"{name}.h5", scene)
        files[f"{name}.h5"] = VIEWS
    write_dataset_index(home / "squares", "squares", "drawn", files, {"test": list(files)})
    torch.manual_seed(0)
    config = MONetConfig(image_size=32, num_slots=3, latent_dim=4, attention_channels=8, decoder_channels=8)
    save_weights(home / "tiny.safetensors", MONet(config), {"name": "tiny", "steps": 0})
    return home


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs `lds eval ...` with a cache of its own."""
    app = typer.Typer()
    app.command("eval")(evaluate)
    monkeypatch.setenv("LDS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("lds_cli.evaluate.ready_memory", lambda: None)  # of this process it stays as it is
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_weights_are_measured_and_the_page_is_named(run, home, tmp_path):
    out = tmp_path / "deep" / "out"
    result = run(home / "tiny.safetensors", "--data", home / "squares", "--out", out, "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert "mIoU" in result.output and "95 % interval" in result.output
    assert f"Wrote {out / 'report.html'}" in result.output
    assert {path.name for path in out.iterdir()} == {"metrics.json", "per_image.csv", "report.html", "figures"}
    document = json.loads((out / "metrics.json").read_text())
    assert document["images"] == SCENES * VIEWS and len(document["weights_digest"]) == 64


def test_resizing_and_too_few_slots_are_told(run, home, tmp_path):
    result = run(home / "tiny.safetensors", "--data", home / "squares", "--out", tmp_path / "out")
    assert "images of 48 x 48 were cropped and resized to 32 x 32" in result.output
    assert "warning The model has 3 slots" in result.output


def test_the_inference_gap_is_measured_where_it_is_asked_for(run, home, tmp_path):
    command = (home / "tiny.safetensors", "--data", home / "squares", "--device", "cpu")
    assert run(*command, "--out", tmp_path / "without").exit_code == 0
    result = run(*command, "--out", tmp_path / "with", "--inference-gap", "--gap-samples", 8)
    assert result.exit_code == 0, result.output
    assert re.search(r"8 samples of each image, 48 images to decode, about \d", result.output)
    assert re.search(r"Inference gap +[\d.]+ +[\d.]+ to [\d.]+ +lower", result.output)
    document, plain = (json.loads((tmp_path / out / "metrics.json").read_text()) for out in ("with", "without"))
    with (tmp_path / "with" / "per_image.csv").open() as file:
        rows = list(csv.DictReader(file))
    gaps, elbos, evidences = (
        np.array([float(row[name]) for row in rows]) for name in ("inference_gap", "elbo", "log_evidence")
    )
    assert gaps.min() > 0 and document["metrics"]["inference_gap"]["mean"] == pytest.approx(gaps.mean(), rel=1e-4)
    assert evidences - elbos == pytest.approx(gaps, rel=1e-3)
    assert document["gap_samples"] == 8 and plain["gap_samples"] is None
    assert document["metrics"] | {"inference_gap": None} == plain["metrics"]


def test_samples_without_a_gap_to_measure_are_a_wrong_command_line(run, home, tmp_path):
    result = run(home / "tiny.safetensors", "--data", home / "squares", "--out", tmp_path, "--gap-samples", 8)
    assert result.exit_code == 2 and "add --inference-gap" in result.output


def test_limit_takes_the_first_scenes(run, home, tmp_path):
    result = run(home / "tiny.safetensors", "--data", home / "squares", "--out", tmp_path / "out", "--limit", 1)
    assert result.exit_code == 0
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["images"] == VIEWS


def test_without_data_the_command_line_is_wrong_and_the_error_says_what_to_give(run):
    result = run("monet_lds_table")
    assert result.exit_code == 2
    assert "--data /tmp/table" in result.output and "lds data synth table_cubes" in result.output


def test_unknown_weights_splits_and_datasets_are_clear_errors(run, home, tmp_path):
    weights, data, out = home / "tiny.safetensors", home / "squares", ("--out", tmp_path / "out")
    cases = [
        (("nothing", "--data", data, *out), WeightsError, "no weights 'nothing'"),
        ((weights, "--data", data, "--split", "val", *out), DatasetError, "no split 'val'"),
        ((weights, "--data", tmp_path / "gone", *out), DatasetError, "no such folder"),
    ]
    for arguments, error, words in cases:
        result = run(*arguments)
        assert type(result.exception) is error and words in str(result.exception)
        assert error.exit_code == 1


def test_a_device_or_folder_that_cannot_be_used_is_found_out_first(run, home, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    weights, data = home / "tiny.safetensors", ("--data", home / "squares")
    assert "'abacus' is of no use here" in run(weights, *data, "--device", "abacus").output
    result = run(weights, *data, "--out", tmp_path / "file")
    assert result.exit_code == 2 and "cannot be made" in result.output
    # Of a folder that is there, on a disk for reading only.
    monkeypatch.setattr("os.access", lambda path, mode: not mode & os.W_OK)
    result = run(weights, *data, "--out", tmp_path)
    words = " ".join(result.output.replace("│", "").split())
    assert result.exit_code == 2 and "cannot be written to" in words and not (tmp_path / "metrics.json").exists()


@pytest.mark.parametrize("kind", ["clevr", "pose"])
def test_a_multi_view_model_is_measured_on_views_that_it_was_not_shown(run, home, tmp_path, kind):
    weights, data, out = multi_view_weights(tmp_path, kind), recorded_orbits(tmp_path), tmp_path / "out"
    result = run(weights, "--data", data, "--out", out, "--observe", 2, "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert re.search(r"shown +unseen", result.output) and "mIoU, scene" in result.output
    document = json.loads((out / "metrics.json").read_text())
    assert document["observe"] == 2 and document["images"] == SCENES * 4
    assert document["metrics"]["miou_unseen"]["mean"] > 0 and document["metrics"]["mse_unseen"]["mean"] > 0
    assert (out / "figures" / "unseen_views.png").is_file()


def test_scenes_with_too_few_views_and_without_poses_are_told(run, home, tmp_path):
    weights, data = multi_view_weights(tmp_path, "clevr"), recorded_orbits(tmp_path)
    result = run(weights, "--data", data, "--out", tmp_path / "out")
    assert "All scenes have 5 views or fewer" in result.output and not re.search("shown +unseen", result.output)
    result = run(weights, "--data", home / "squares", "--out", tmp_path / "out")
    assert type(result.exception) is DatasetError and "needs camera poses" in str(result.exception)


def test_views_to_observe_are_of_multi_view_models_alone(run, home, tmp_path):
    result = run(home / "tiny.safetensors", "--data", home / "squares", "--out", tmp_path / "out", "--observe", 3)
    assert result.exit_code == 2 and "single-view model" in result.output


def multi_view_weights(folder: Path, kind: str) -> Path:
    torch.manual_seed(0)
    settings = {"image_size": 16, "num_slots": 3, "latent_dim": 4, "iterations": 2, "decoder_channels": 8, "hidden": 8}
    model = build_model({"name": "mulmon", "viewpoint_kind": kind, **settings})
    save_weights(folder / "mulmon.safetensors", model, {"name": "mulmon", "steps": 0})
    return folder / "mulmon.safetensors"


def recorded_orbits(folder: Path, views: int = 4) -> Path:
    """A dataset of recorded scenes with camera poses."""
    packed = packed_orbits(SCENES, views, size=16)
    folder = folder / "orbits"
    folder.mkdir()
    files = {}
    for index, name in enumerate(packed.names):
        rows = slice(packed.first_view[index], packed.first_view[index + 1])
        angles = np.arange(views) * 2 * np.pi / views
        poses = np.stack([look_at(np.array([np.cos(a), np.sin(a), 1.0]), np.zeros(3)) for a in angles])
        K = np.broadcast_to(pinhole(16, 16, 0.8), (views, 3, 3))
        write_scene(
            folder / f"{name}.h5", Scene(name, packed.images[rows], masks=packed.masks[rows], T_world_camera=poses, K=K)
        )
        files[f"{name}.h5"] = views
    write_dataset_index(folder, "orbits", "drawn", files, {"test": list(files)})
    return folder


def test_a_model_is_given_another_number_of_slots_than_in_training(run, home, tmp_path):
    told = {}
    for slots in (None, 5):
        asked = [] if slots is None else ["--slots", slots]
        result = run(
            home / "tiny.safetensors", "--data", home / "squares", "--out", tmp_path, "--device", "cpu", *asked
        )
        assert result.exit_code == 0, result.output
        told[slots] = json.loads((tmp_path / "metrics.json").read_text())
        assert told[slots]["slots"] == slots
    assert told[None]["metrics"]["sim"] != told[5]["metrics"]["sim"]
