from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from datasets.synthesis.table_cubes import TableRenderer, make_scene
from lds_models.registry import build_model
from lds_models.weights import WeightsError, save_weights
from perception.agreement import image_miou
from perception.segmentation import Region
from perception.segmenter import Segmenter

TABLE, RED, BLUE = (220, 220, 215), (190, 30, 30), (30, 60, 180)


def by_colour(image: np.ndarray, pose: None) -> tuple[np.ndarray, np.ndarray]:
    """A runtime that knows: slot 0 is light, 1 reddish, 2 bluish, and 3 is a duplicate of 2 in the right half."""
    red, _, blue = image
    reddish, bluish = (red > 0.6) & (blue < 0.5), (blue > 0.6) & (red < 0.5)
    right = np.arange(image.shape[2]) >= image.shape[2] // 2
    slots = np.stack([~(reddish | bluish), reddish, bluish & ~right, bluish & right])
    latents = np.eye(4, 16, dtype=np.float32)
    latents[3] = latents[2]
    return slots.astype(np.float32), latents


@pytest.fixture(scope="module")
def segmenter(tiny_weights: Path) -> Segmenter:
    return Segmenter(tiny_weights, device="cpu", threads=1)


@pytest.fixture
def knowing(segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch) -> Segmenter:
    monkeypatch.setattr(segmenter, "runtime", by_colour)
    return segmenter


def table(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), TABLE, np.uint8)


def test_objects_are_described_as_they_stand_in_the_label_image(knowing: Segmenter) -> None:
    image = table(480, 640)
    image[100:180, 150:250] = RED
    image[300:400, 270:370] = BLUE  # across the middle: two slots
    found = knowing.segment(image)
    red, blue = found.objects
    assert (red.id, red.slots_merged, blue.id, blue.slots_merged) == (1, 1, 2, 2)
    assert found.duplicates_merged == 1
    assert red.box == pytest.approx((150, 100, 100, 80), abs=3)
    assert blue.centroid == pytest.approx((319.5, 349.5), abs=1.5)
    for segment in found.objects:
        rows, columns = np.nonzero(found.labels == segment.id)
        assert segment.area == len(rows)
        assert segment.centroid == pytest.approx((columns.mean(), rows.mean()))
        assert segment.box == (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
        assert 0.9 < segment.confidence <= 1


def test_outside_of_the_middle_square_is_background(knowing: Segmenter) -> None:
    image = table(480, 640)
    image[200:300, :200] = RED
    labels = knowing.segment(image).labels
    assert labels.shape == (480, 640) and labels.dtype == np.int32
    assert not labels[:, :80].any() and not labels[:, 560:].any()
    assert (labels[205:295, 85:195] == 1).all()


def test_upright_images_are_taken_too(knowing: Segmenter) -> None:
    image = table(300, 200)
    image[120:180, 60:140] = RED
    found = knowing.segment(image)
    assert found.labels.shape == (300, 200)
    assert found.objects[0].centroid == pytest.approx((99.5, 149.5), abs=1.5)


def test_an_empty_table_has_no_objects(knowing: Segmenter) -> None:
    found = knowing.segment(table(480, 640))
    assert found.objects == [] and not found.labels.any() and found.duplicates_merged == 0


@pytest.mark.parametrize("shape", [(64, 64), (33, 47), (1, 1), (720, 1280)])
def test_any_size_of_image_gives_labels_of_its_size(segmenter: Segmenter, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    found = segmenter.segment(image)
    assert found.labels.shape == shape
    assert set(np.unique(found.labels)) - {0} == {segment.id for segment in found.objects}


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((48, 64), np.uint8), r"uint8 array \[H,W,3\].*got uint8 \[48, 64\]"),
        (np.full((48, 64, 3), np.nan, np.float32), "got float32"),
        (np.zeros((48, 64, 4), np.uint8), "got uint8"),
        (np.zeros((0, 64, 3), np.uint8), "empty"),
        ("image.png", "got str"),
    ],
)
def test_what_is_no_image_is_refused_in_one_line(segmenter: Segmenter, image: object, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        segmenter.segment(image)
    assert "\n" not in str(error.value)


def test_an_image_that_is_read_only_is_taken(segmenter: Segmenter) -> None:
    image = table(48, 64)
    image.flags.writeable = False
    segmenter.segment(image)


def test_the_shipped_weights_find_the_cubes_of_scenes_that_they_were_not_trained_on() -> None:
    segmenter = Segmenter("monet_lds_table", device="cpu")
    with TableRenderer(480) as renderer:
        scenes = [make_scene(renderer, seed=2027, index=i, views=4) for i in range(4)]
    scores = [
        image_miou(mask, segmenter.segment(image).labels)
        for scene in scenes
        for image, mask in zip(scene.images, scene.masks, strict=True)
    ]
    assert np.mean(scores) > 0.7


def test_weights_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no_such_weights"):
        Segmenter("no_such_weights")


def test_an_unknown_setting_names_the_weights(tiny_weights: Path) -> None:
    with pytest.raises(WeightsError, match="tiny.safetensors: there is no setting 'tau'"):
        Segmenter(tiny_weights, {"tau": 0.5})


def test_weights_of_a_multi_view_model_are_refused(tmp_path: Path) -> None:
    small = {"image_size": 16, "num_slots": 3, "latent_dim": 4, "decoder_channels": 8, "hidden": 8}
    save_weights(tmp_path / "mulmon.safetensors", build_model({"name": "mulmon", **small}), {"name": "mulmon"})
    with pytest.raises(WeightsError, match="mulmon.safetensors: is a multi-view model.*take a single-view model"):
        Segmenter(tmp_path / "mulmon.safetensors", device="cpu")


def test_a_region_is_looked_at_alone(segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmenter, "runtime", by_colour)
    monkeypatch.setattr(segmenter, "region", Region(400, 200, 240, 160))
    image = table(480, 640)
    image[240:280, 500:540], image[20:80, 20:80] = RED, RED
    found = segmenter.segment(image)
    assert found.seen == Region(440, 200, 160, 160)
    (red,) = found.objects
    assert red.box == pytest.approx((500, 240, 40, 40), abs=3)


def test_a_region_that_is_not_in_the_image_is_refused(segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmenter, "region", Region(400, 200, 300, 160))
    with pytest.raises(ValueError, match="not within the image of 640 x 480"):
        segmenter.segment(table(480, 640))


@pytest.mark.parametrize("value", ["10 20 300 200", "10,20,300,200", [10, 20, 300, 200]])
def test_regions_are_read_from_parameters(value: object) -> None:
    assert Region.parse(value) == Region(10, 20, 300, 200)


@pytest.mark.parametrize("value", ["10 20 300", "a b c d", [0, 0, 0, 10], "-1 0 10 10", 7])
def test_what_is_no_region_is_refused_in_words(value: object) -> None:
    with pytest.raises(ValueError, match="region"):
        Region.parse(value)
