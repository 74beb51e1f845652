"""Weights files: round trip, names, damage, foreign content, and publishing with measured metrics."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from datasets.scene import DatasetError
from lds_models.model_card import publish
from lds_models.registry import ConfigError, build_model
from lds_models.weights import WeightsError, find_weights, load_weights, save_weights, shipped_names

SMALL = {"name": "monet", "image_size": 16, "num_slots": 3, "attention_channels": 4, "decoder_channels": 4}
CARD = {
    "name": "small",
    "training": {
        "data": "squares", "split": "train", "images": 24, "steps": 3, "hours": 0.1, "command": "lds train",
        "experiment": {"model": {**SMALL, "lds_weight": 0.5}},
    },
    "licence": "BSD-3-Clause",
}  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "small.safetensors"
    save_weights(path, build_model(SMALL).to(memory_format=torch.channels_last), CARD)
    return path


def test_weights_come_back_as_they_were(file: Path) -> None:
    torch.manual_seed(0)
    model, loaded = build_model(SMALL).eval(), load_weights(file)
    images = torch.rand(1, 1, 3, 16, 16)
    torch.testing.assert_close(loaded.model.infer(images).log_masks, model.infer(images).log_masks, rtol=0, atol=0)
    assert loaded.card == CARD and loaded.name == "small" and not loaded.model.training


def test_run_folder_stands_for_its_weights(file: Path) -> None:
    run = file.parent / "run"
    run.mkdir()
    file.rename(run / "weights.safetensors")
    assert find_weights(run) == run / "weights.safetensors"


def test_unknown_name_lists_the_shipped_ones() -> None:
    with pytest.raises(WeightsError, match="no weights 'monet_table'.*shipped"):
        load_weights("monet_table")


def test_every_shipped_file_loads_and_says_where_it_comes_from() -> None:
    for name in shipped_names():
        loaded = load_weights(name)
        assert loaded.name == name and loaded.path.stat().st_size < 8e6
        assert loaded.card["training"]["command"].startswith("lds train") and loaded.card["metrics"]


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_truncated_file_is_refused_by_name(file: Path, keep: int) -> None:
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(WeightsError, match=f"{file}: is damaged"):
        load_weights(file)


def test_changed_byte_is_noticed(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-10] ^= 1
    file.write_bytes(content)
    with pytest.raises(WeightsError, match="its digest differs"):
        load_weights(file)


def test_weights_of_another_model_are_refused(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    save_weights(other, build_model(SMALL), CARD)
    model = build_model(SMALL | {"num_slots": 4, "attention_channels": 8})
    model.config.attention_channels = 4  # the file says one model and holds another
    save_weights(other, model, CARD)
    with pytest.raises(WeightsError, match="do not fit the model"):
        load_weights(other)


def test_foreign_safetensors_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(WeightsError, match="no weights of lds_scenes"):
        load_weights(path)


def test_pickle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    torch.save({"a": torch.zeros(2)}, path)
    with pytest.raises(WeightsError, match="is damaged or no safetensors"):
        load_weights(path)


def evaluation(folder: Path, digest: str) -> Path:
    metrics = {"miou": {"mean": 0.7, "low": 0.6, "high": 0.8}, "ari": None}
    document = {
        "weights": "small", "weights_digest": digest, "data": "squares", "split": "test", "scenes": 2, "images": 4,
        "data_digest": "d", "seed": 0, "batch_size": 32, "command": "lds eval small", "metrics": metrics,
    }  # fmt: skip
    folder.mkdir()
    (folder / "metrics.json").write_text(json.dumps(document))
    (folder / "per_image.csv").write_text("scene,view,mse\n" + "".join(f"a,{i},{i / 1000}\n" for i in range(101)))
    return folder


def test_published_weights_carry_their_metrics(file: Path, tmp_path: Path) -> None:
    measured = evaluation(tmp_path / "eval", load_weights(file).digest)
    before, after = {"mean": 0.6, "low": 0.5, "high": 0.7}, {"mean": 0.9, "low": 0.85, "high": 0.95}
    perception = {"data": "squares", "images": 4, "slots": {"miou": before}, "objects": {"miou": after}}
    path = publish(
        load_weights(file),
        [measured],
        "shipped",
        "Fails on green.",
        tmp_path / "out",
        {"min_confidence": 0.7},
        perception,
    )
    loaded = load_weights(path)
    assert loaded.name == "shipped" and loaded.card["metrics"][0]["metrics"]["miou"]["mean"] == 0.7
    assert loaded.card["deduplication"] == {"min_confidence": 0.7}
    assert loaded.card["domain"] == pytest.approx({"mse_p50": 0.05, "mse_p99": 0.099})
    page = path.with_suffix(".md").read_text()
    assert "| miou | 0.600 [0.500, 0.700] | 0.900 [0.850, 0.950] |" in page and loaded.card["perception"] == perception
    assert "| miou | 0.7000 | 0.6000 | 0.8000 |" in page and "Fails on green." in page and loaded.digest in page


def test_metrics_of_other_weights_are_not_published(file: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="measured on other weights"):
        publish(load_weights(file), [evaluation(tmp_path / "eval", "0" * 64)], "shipped", "", tmp_path / "out")


def test_metrics_of_another_k_are_not_published(file: Path, tmp_path: Path) -> None:
    measured = evaluation(tmp_path / "eval", load_weights(file).digest)
    with pytest.raises(WeightsError, match=r"measured with \d+ slots; run `lds eval --slots 9`"):
        publish(load_weights(file, 9), [measured], "shipped", "", tmp_path / "out")
    metrics = measured / "metrics.json"
    metrics.write_text(json.dumps(json.loads(metrics.read_text()) | {"slots": 9}))
    path = publish(load_weights(file, 9), [measured], "shipped", "", tmp_path / "out")
    assert load_weights(path).model.num_slots == 9


def test_metrics_of_the_scenes_trained_on_are_not_published(file: Path, tmp_path: Path) -> None:
    """The card says that they are of others."""
    loaded = load_weights(file)
    loaded.card["training"]["data_digest"] = "d"
    measured = evaluation(tmp_path / "eval", loaded.digest)
    with pytest.raises(WeightsError, match="eval: was measured on the scenes trained on; run `lds eval` on others"):
        publish(loaded, [measured], "shipped", "", tmp_path / "out")


def test_metrics_of_one_scene_are_published_without_intervals(file: Path, tmp_path: Path) -> None:
    measured = evaluation(tmp_path / "eval", load_weights(file).digest)
    document, alone = json.loads((measured / "metrics.json").read_text()), {"mean": 0.7, "low": None, "high": None}
    (measured / "metrics.json").write_text(json.dumps(document | {"metrics": {"miou": alone}}))
    perception = {"data": "squares", "images": 4, "slots": {"miou": alone}, "objects": {"miou": alone}}
    path = publish(load_weights(file), [measured], "shipped", "", tmp_path / "out", perception=perception)
    page = path.with_suffix(".md").read_text()
    assert "| miou | 0.7000 | – | – |" in page and "| miou | 0.700 | 0.700 |" in page


def test_an_evaluation_without_its_images_is_refused_in_words(file: Path, tmp_path: Path) -> None:
    measured = evaluation(tmp_path / "eval", load_weights(file).digest)
    (measured / "per_image.csv").unlink()
    with pytest.raises(DatasetError, match=r"per_image.csv: cannot be read .*run `lds eval` again"):
        publish(load_weights(file), [measured], "shipped", "", tmp_path / "out")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"num_slots": 0}, "num_slots must be 1 to 4096"),
        ({"decoder_channels": 10**9}, "decoder_channels must be 1 to 4096"),
        ({"decoder_channels": 4096, "decoder_layers": 100}, r"takes \d+.\d GB"),
        ({"foreground_std": float("nan")}, "foreground_std must be a finite number"),
        ({"image_size": 8}, "image size 8 must be 16 or more"),
        ({"name": ["monet"]}, "unknown model"),
    ],
)
def test_models_that_cannot_be_are_refused_before_memory_is_taken(settings: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build_model(SMALL | settings)
