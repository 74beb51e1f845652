"""Validation: on which images, and that it measures what `lds eval` does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_runs import SMALL, packed_squares_file

from datasets.packing import PackedDataset, read_packed
from lds_models.evaluation import evaluate
from lds_models.model import SceneModel
from lds_models.registry import build_model
from lds_models.training.experiment import DataConfig
from lds_models.training.validation import held_out_split, validate, validation_data

SETTINGS = {key: SMALL[key] for key in ("image_size", "num_slots", "latent_dim", "decoder_channels")}


def held_out_images(folder: Path, images: int, model: SceneModel) -> PackedDataset:
    data = packed_squares_file(folder / "squares.h5", views=(3, 5))
    config = DataConfig(path="elsewhere", validation_path=str(data), validation_split="train", validation_images=images)
    return validation_data(config, model, held_out_split(config, model), read_packed(data))


def test_single_view_model_is_shown_one_view_of_each_scene(tmp_path: Path) -> None:
    held_out = held_out_images(tmp_path, 7, build_model({"name": "monet", **SETTINGS}))
    assert held_out.names == [f"square_{i}" for i in range(7)] and len(held_out.images) == len(held_out.masks) == 7
    assert held_out.first_view.tolist() == list(range(8))


@pytest.mark.parametrize(("images", "scenes"), [(15, 3), (16, 4), (1, 1), (1000, 12)])
def test_multi_view_model_is_shown_whole_scenes(tmp_path: Path, images: int, scenes: int) -> None:
    held_out = held_out_images(tmp_path, images, build_model({"name": "mulmon", **SETTINGS}))
    assert np.diff(held_out.first_view).tolist() == ([3, 5] * 6)[:scenes]
    assert len(held_out.images) == len(held_out.viewpoints["clevr"]) == held_out.first_view[-1]


@pytest.mark.parametrize("name", ["monet", "mulmon"])
def test_measures_are_those_of_the_evaluation(tmp_path: Path, name: str) -> None:
    model = build_model({"name": name, **SETTINGS})
    held_out = held_out_images(tmp_path, 16, model)
    model.shard = (1, 2)  # as in the second process of two
    before = torch.get_rng_state()
    row = validate(model, held_out)
    assert torch.equal(torch.get_rng_state(), before) and model.shard == (1, 2) and model.training

    model.shard = (0, 1)
    rows = evaluate(model, held_out).rows
    assert row["val_mse"] == pytest.approx(rows["mse"].mean())
    assert row["val_miou"] == pytest.approx(rows["miou"].mean())
