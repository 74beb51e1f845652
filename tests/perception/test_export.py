"""Models as OpenVINO files: what other programs get is what ours computes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import openvino
import pytest
import torch
from typer.testing import CliRunner

from datasets.scene import DatasetError
from lds_cli.main import app
from lds_models.iodine import IODINE, IODINEConfig
from lds_models.mulmon import MulMON, MulMONConfig
from lds_models.weights import save_weights
from perception.executors import eager
from perception.runtime import Known, SlotRuntime, ViewRuntime

SMALL = {"image_size": 16, "num_slots": 3, "iterations": 2, "decoder_channels": 4, "hidden": 8}


def export(weights: object, out: Path, *options: str) -> str:
    done = CliRunner().invoke(app, ["export", str(weights), "--out", str(out), *options])
    assert done.exit_code == 0, done.output
    return done.output


def run(path: Path, arguments: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """As a program that has nothing but the file: by the names of inputs and outputs."""
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    outputs = openvino.Core().compile_model(path, "CPU", settings)(arguments)
    return {name: value for port, value in outputs.items() for name in port.get_names()}


def test_a_place_that_cannot_be_written_is_told_in_a_line(tmp_path: Path) -> None:
    save_weights(tmp_path / "iodine.safetensors", IODINE(IODINEConfig(**SMALL)), {"name": "small"})
    (tmp_path / "out" / "slots.bin").mkdir(parents=True)
    done = CliRunner().invoke(app, ["export", str(tmp_path / "iodine.safetensors"), "--out", str(tmp_path / "out")])
    assert type(done.exception) is DatasetError and "out/slots.xml: cannot be written" in str(done.exception)


def test_a_single_view_model_is_one_graph(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = IODINE(IODINEConfig(**SMALL)).eval()
    save_weights(tmp_path / "iodine.safetensors", model, {"name": "small"})
    export(tmp_path / "iodine.safetensors", tmp_path / "out")
    image = np.random.default_rng(0).random((3, 16, 16), np.float32)
    masks, latents = SlotRuntime(model, eager("cpu"))(image)
    found = run(tmp_path / "out/slots.xml", {"image": image[None]})
    np.testing.assert_allclose(found["masks"], masks, atol=1e-4)
    np.testing.assert_allclose(found["latents"], latents, atol=1e-4)
    told = json.loads((tmp_path / "out/model.json").read_text())
    assert told["name"] == "small" and told["graphs"]["slots"]["inputs"] == {"image": [1, 3, 16, 16]}


def test_a_multi_view_model_is_two_graphs_and_tells_where_it_starts(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = MulMON(MulMONConfig(**SMALL, viewpoint_kind="pose")).eval()
    save_weights(tmp_path / "mulmon.safetensors", model, {"name": "views"})
    export(tmp_path / "mulmon.safetensors", tmp_path / "out")
    told = json.loads((tmp_path / "out/model.json").read_text())
    assert told["viewpoints"] == "pose"
    shapes = told["graphs"]["fuse"]["inputs"]
    start = {
        name: np.tile(np.array(told["before_the_first_view"][name], np.float32), (3, 1)) for name in ("mean", "logvar")
    }
    image, viewpoint = (np.random.default_rng(0).random(shapes[name], np.float32) for name in ("image", "viewpoint"))
    noise = np.random.default_rng(1).normal(size=shapes["noise"]).astype(np.float32)
    plain = ViewRuntime(model, eager("cpu"))
    plain._noise = noise
    expected = plain.fuse(image[0], viewpoint[0], Known(**start))
    found = run(tmp_path / "out/fuse.xml", {"image": image, "viewpoint": viewpoint, "noise": noise, **start})
    np.testing.assert_allclose(found["mean_after"], expected.mean, atol=1e-4)
    np.testing.assert_allclose(found["logvar_after"], expected.logvar, atol=1e-4)
    masks, picture = plain.render(expected.mean, viewpoint[0])
    found = run(tmp_path / "out/render.xml", {"mean": expected.mean, "viewpoint": viewpoint})
    np.testing.assert_allclose(found["masks"], masks, atol=1e-4)
    np.testing.assert_allclose(found["picture"], picture, atol=1e-4)


def test_the_shipped_weights_are_exported(tmp_path: Path) -> None:
    said = export("monet_lds_table", tmp_path)
    assert "slots.xml" in said and (tmp_path / "slots.bin").stat().st_size > 1e5


@pytest.mark.parametrize("format_", ["onnx", ""])
def test_other_formats_are_refused_in_words(tmp_path: Path, format_: str) -> None:
    done = CliRunner().invoke(app, ["export", "monet_lds_table", "--out", str(tmp_path), "--to", format_])
    assert done.exit_code == 2 and "only openvino" in done.output
