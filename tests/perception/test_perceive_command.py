"""`lds perceive check`: does one's own camera suit the model?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from datasets.synthesis.table_cubes import TableRenderer, make_scene
from lds_cli.main import app
from lds_models.weights import load_weights, save_weights
from perception.suitability import Picture, findings

GOOD = Picture((480, 640), 170.0, 0.0, 0.0, 33.0, 0.002, 3, False)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of the kind that the shipped weights were trained on."""
    folder = tmp_path_factory.mktemp("table")
    with TableRenderer(240) as renderer:
        for number, image in enumerate(make_scene(renderer, seed=71, index=0, views=6).images):
            cv2.imwrite(str(folder / f"{number}.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return folder


def check(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["perceive", "check", *map(str, arguments)])


def changed(table: Path, folder: Path, change: Callable[[np.ndarray], np.ndarray]) -> Path:
    folder.mkdir()
    for path in table.iterdir():
        cv2.imwrite(str(folder / path.name), change(cv2.imread(str(path))))
    return folder


def test_pictures_like_those_trained_on_suit_the_model(table: Path) -> None:
    done = check(table)
    assert done.exit_code == 0, done.output
    assert "suit monet_lds_table" in done.output and "6 pictures" in done.output


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda image: (image * 0.12).astype(np.uint8), "are dark"),
        (lambda image: cv2.GaussianBlur(image, (0, 0), 6), "are blurred"),
        (lambda image: np.clip(image * 3.0, 0, 255).astype(np.uint8), "overexposed"),
        (lambda image: cv2.resize(image, (40, 40)), "smaller than the 64 pixels"),
        (lambda image: np.random.default_rng(0).integers(0, 256, image.shape, np.uint8), "unlike what the model"),
    ],
)
def test_what_is_wrong_is_told_with_what_to_do(
    table: Path, tmp_path: Path, change: Callable[[np.ndarray], np.ndarray], told: str
) -> None:
    done = check(changed(table, tmp_path / "changed", change))
    assert done.exit_code == 1 and told in done.output, done.output


def test_pictures_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"nothing")
    done = check(tmp_path)
    assert done.exit_code == 1 and "a was left out" in done.output and "none of the pictures" in done.output


def test_a_few_odd_pictures_are_no_reason() -> None:
    dark = replace(GOOD, brightness=10.0)
    assert findings([GOOD] * 9 + [dark], 64, 6, 0.01) == []
    assert "3 of 10 pictures are dark" in findings([GOOD] * 7 + [dark] * 3, 64, 6, 0.01)[0]


def test_weights_that_do_not_tell_what_they_know_are_named() -> None:
    (told,) = findings([GOOD], 64, 6, None)
    assert "nothing to compare with" in told


def test_only_the_region_is_looked_at_and_compared(table: Path, tmp_path: Path) -> None:
    def among_noise(image: np.ndarray) -> np.ndarray:
        canvas = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
        canvas[200:440, 300:540] = image
        return canvas

    folder = changed(table, tmp_path / "far", among_noise)
    whole = check(folder)
    assert whole.exit_code == 1 and "unlike what the model" in whole.output, whole.output
    table_alone = check(folder, "--region", "300 200 240 240")
    assert table_alone.exit_code == 0, table_alone.output


def test_a_region_that_cannot_be_is_told(table: Path) -> None:
    beyond = check(table, "--region", "200 0 100 100")
    assert beyond.exit_code == 1 and "is not within the image of 240 x 240" in beyond.output
    assert check(table, "--region", "1 2 3").exit_code == 2


def test_a_model_whose_slots_are_all_in_use_is_told(tmp_path: Path) -> None:
    loaded = load_weights("monet_lds_table", num_slots=4)
    save_weights(tmp_path / "few.safetensors", loaded.model, loaded.card)
    with TableRenderer(128) as renderer:
        scenes = (make_scene(renderer, seed=91, index=index, views=2) for index in range(12))
        images = [image for scene in scenes if len(scene.objects) == 4 for image in scene.images]
    for number, image in enumerate(images):
        cv2.imwrite(str(tmp_path / f"{number}.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    few = check(tmp_path, "--weights", tmp_path / "few.safetensors")
    assert few.exit_code == 1 and "all 4 slots are in use: at most 3 objects can be told apart" in few.output
    assert "slots are in use" not in check(tmp_path).output
