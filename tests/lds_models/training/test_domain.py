"""What a run's card tells of the images that it knows, and what `lds perceive check` makes of it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_runs import SMALL, experiment_file, packed_squares_file, squares
from typer.testing import CliRunner

from datasets.packing import read_packed
from lds_cli.main import app
from lds_models.evaluation import evaluate
from lds_models.registry import build_model
from lds_models.training.domain import IMAGES, domain_images, measured_domain
from lds_models.training.experiment import DataConfig, load_experiment
from lds_models.training.loop import train
from lds_models.training.validation import held_out_split
from lds_models.weights import load_weights

SETTINGS = {key: SMALL[key] for key in ("image_size", "num_slots", "latent_dim", "decoder_channels")}


def squares_of(seed: int, folder: Path) -> Path:
    """Pictures of a camera that sees what `squares` shows, or noise for a seed above 0."""
    folder.mkdir()
    for number, scene in enumerate(squares(10)):
        image = scene.images[0]
        if seed:
            image = np.random.default_rng(seed + number).integers(0, 256, image.shape, np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), np.kron(image[..., ::-1], np.ones((4, 4, 1), np.uint8)))
    return folder


@pytest.mark.parametrize("name", ["monet", "mulmon"])
def test_domain_is_the_evaluations_error_on_held_out_images(tmp_path: Path, name: str) -> None:
    held_out = packed_squares_file(tmp_path / "held_out.h5", 9)
    config = DataConfig(path="elsewhere", validation_path=str(held_out), validation_split="train", validation_images=2)
    model = build_model({"name": name, **SETTINGS})
    model.shard = (1, 2)
    domain = measured_domain(model, domain_images(model, held_out_split(config, model)))
    assert model.shard == (1, 2) and model.training

    model.shard = (0, 1)
    errors = evaluate(model, read_packed(held_out)).rows["mse"]
    assert domain == pytest.approx({"mse_p50": np.percentile(errors, 50), "mse_p99": np.percentile(errors, 99)})


@pytest.mark.parametrize(("name", "views"), [("monet", {1}), ("mulmon", {4})])
def test_of_many_images_some_hundred_are_taken_from_first_to_last(tmp_path: Path, name: str, views: set[int]) -> None:
    trained_on = read_packed(packed_squares_file(tmp_path / "trained_on.h5", 200, views=(4,)))
    taken = domain_images(build_model({"name": name, **SETTINGS}), trained_on)
    assert len(taken.images) == IMAGES and set(np.diff(taken.first_view).tolist()) == views
    for end in (0, -1):
        np.testing.assert_array_equal(taken.images[end], trained_on.images[end])


def test_pictures_are_compared_with_what_an_own_run_was_trained_on(tmp_path: Path) -> None:
    file = experiment_file(tmp_path, packed_squares_file(tmp_path / "squares.h5"))
    settings = ["data.validation_path=null", "data.validation_split=null", "steps=150", "optimiser.lr=1e-2"]
    run = train(load_experiment(str(file), settings), tmp_path / "run")
    assert 0 < load_weights(run).card["domain"]["mse_p50"] <= load_weights(run).card["domain"]["mse_p99"]
    own, noise = (
        CliRunner().invoke(app, ["perceive", "check", str(squares_of(seed, tmp_path / str(seed))), "--weights", run])
        for seed in (0, 1)
    )
    assert "nothing to compare with" not in own.output + noise.output
    assert "are unlike" not in own.output, own.output
    assert "are unlike" in noise.output, noise.output


def test_a_finished_run_that_is_resumed_measures_its_domain(tmp_path: Path) -> None:
    loaded = load_experiment(str(experiment_file(tmp_path, packed_squares_file(tmp_path / "squares.h5"), steps=2)), [])
    run = tmp_path / "run"
    expected = load_weights(train(loaded, run)).card["domain"]
    (run / "weights.safetensors").unlink()
    assert load_weights(train(loaded, run, resume=True)).card["domain"] == expected
