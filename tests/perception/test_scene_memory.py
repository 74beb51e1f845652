"""A multi-view model that looks through a moving camera."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from datasets.camera import look_at
from lds_models.mixture import log_responsibilities
from lds_models.mulmon import MulMON, MulMONConfig
from lds_models.weights import WeightsError, save_weights
from perception.executors import eager, openvino
from perception.runtime import ViewRuntime, open_view_runtime
from perception.scene_memory import CHANGED_FRAMES, MOST_VIEWS, SETTLED_VIEWS, SceneMemory
from perception.segmenter import Segmenter

SIZE = 16


def model(**settings: object) -> MulMON:
    torch.manual_seed(0)
    small = {"image_size": SIZE, "num_slots": 3, "iterations": 2, "decoder_channels": 4, "hidden": 8}
    return MulMON(MulMONConfig(**{**small, "viewpoint_kind": "pose", **settings}))


def remembering(usual_error: float | None = None, **settings: object) -> SceneMemory:
    """A memory that computes without the seconds that compiling takes."""
    mulmon = model(**settings)
    return SceneMemory(mulmon, ViewRuntime(mulmon, eager("cpu")), usual_error)


def pose(turn: float) -> np.ndarray:
    return look_at(np.array([0.4 * np.cos(turn), 0.4 * np.sin(turn), 0.35]), np.zeros(3))


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((3, SIZE, SIZE), np.float32)


@pytest.mark.parametrize("kind", ["pose", "clevr"])
def test_slots_are_told_in_every_view_and_masks_sum_to_one(kind: str) -> None:
    mulmon = model(viewpoint_kind=kind)
    memory = SceneMemory(mulmon, open_view_runtime(mulmon, "cpu"))
    for number in range(3):
        masks, latents = memory(picture(number), pose(number))
        assert masks.shape == (3, SIZE, SIZE) and latents.shape == (3, 16)
        np.testing.assert_allclose(masks.sum(0), 1, rtol=1e-5)


def test_views_are_fused_as_the_camera_moves_and_only_then() -> None:
    memory = remembering()
    known = [memory(picture(number), pose(turn))[1] for number, turn in enumerate((0, 0.01, 0.02, 0.9, 0.91))]
    assert memory.views == 2
    np.testing.assert_array_equal(known[0], known[2])
    np.testing.assert_array_equal(known[3], known[4])
    assert np.abs(known[2] - known[3]).max() > 1e-6


@pytest.mark.parametrize(("precision", "tolerance"), [("f32", 1e-4), ("bf16", 0.1)])
def test_openvino_fuses_and_renders_as_torch_does(precision: str, tolerance: float) -> None:
    fast, plain = ViewRuntime(model(), openvino(precision)), ViewRuntime(model(), eager("cpu"))
    known = expected = None
    for number in range(3):
        viewpoint = np.random.default_rng(number).normal(size=9).astype(np.float32)
        known, expected = (each.fuse(picture(number), viewpoint, k) for each, k in ((fast, known), (plain, expected)))
        for a, b in zip(known, expected, strict=True):
            np.testing.assert_allclose(a, b, atol=tolerance)
    for a, b in zip(fast.render(known.mean, viewpoint), plain.render(expected.mean, viewpoint), strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance)
    seen = picture(2)
    explained = fast.explain(seen, known.mean, viewpoint), plain.explain(seen, expected.mean, viewpoint)
    for a, b in zip(*explained, strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance)


def test_masks_of_a_view_are_the_posterior_of_its_pixels() -> None:
    mulmon, viewpoint = model(pixel_std=0.2), np.random.default_rng(0).normal(size=9).astype(np.float32)
    latents = np.random.default_rng(1).normal(size=(3, 16)).astype(np.float32)
    masks, drawn = ViewRuntime(mulmon, eager("cpu")).explain(picture(0), latents, viewpoint)
    with torch.no_grad():
        rendering = mulmon.render(torch.from_numpy(latents)[None], torch.from_numpy(viewpoint)[None, None])
    image = torch.from_numpy(picture(0))[None, None]
    expected = log_responsibilities(image, rendering.appearances, rendering.log_masks, 0.2).exp()
    np.testing.assert_allclose(masks, expected[0, 0, :, 0].numpy(), atol=1e-5)
    np.testing.assert_allclose(drawn, rendering.reconstruction[0, 0].numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("metres", "degrees", "views"), [(0.13, 0.0, 2), (0.0, 26.0, 2), (0.13, 26.0, 2), (0.11, 0.0, 1), (0.11, 24.0, 1)]
)
def test_a_view_is_fused_where_the_camera_went_far_or_turned_far(metres: float, degrees: float, views: int) -> None:
    memory, there = remembering(), pose(0)
    memory(picture(0), there)
    there = there.copy()
    there[:3, :3] = there[:3, :3] @ Rotation.from_euler("z", degrees, degrees=True).as_matrix()
    there[:3, 3] += metres * np.array([2, -1, 2]) / 3
    memory(picture(1), there)
    assert memory.views == views


def test_after_a_reset_nothing_is_left_of_the_scene_before() -> None:
    far, near = (look_at(np.array([distance, 0.0, distance]), np.zeros(3)) for distance in (1.2, 0.3))
    used, fresh = remembering(), remembering()
    used(picture(0), far)
    used(picture(1), near)
    used.reset()
    again, first = ([*memory(picture(2), near), *memory.view_from(pose(1))] for memory in (used, fresh))
    assert used.views == 1
    for a, b in zip(again, first, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_no_more_views_are_fused_than_do_good() -> None:
    memory = remembering()
    for number in range(3 * MOST_VIEWS):
        memory(picture(number), pose(0.9 * number))
    assert memory.views == MOST_VIEWS


def test_the_scene_is_shown_from_where_the_camera_never_was() -> None:
    memory = remembering()
    memory(picture(0), pose(0))
    (here, seen), (there, imagined) = memory.view_from(pose(0)), memory.view_from(pose(2))
    assert here.shape == there.shape == (3, SIZE, SIZE) and seen.shape == (3, SIZE, SIZE)
    assert np.abs(here - there).max() > 0 and imagined.shape == seen.shape and memory.views == 1


def test_before_the_first_view_nothing_can_be_shown() -> None:
    memory = remembering()
    with pytest.raises(ValueError, match="nothing has been seen"):
        memory.view_from(pose(0))
    memory(picture(0), pose(0))
    memory.reset()
    with pytest.raises(ValueError, match="nothing has been seen"):
        memory.view_from(pose(0))


def test_a_scene_that_no_longer_fits_is_learned_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = remembering(usual_error=1.0)
    for number in range(SETTLED_VIEWS):
        memory(picture(0), pose(number))
    white = np.full((3, SIZE, SIZE), 40.0, np.float32)  # nothing that the model draws comes near
    for _ in range(CHANGED_FRAMES - 1):
        memory(white, pose(SETTLED_VIEWS - 1))
    assert memory.views == SETTLED_VIEWS
    memory(white, pose(SETTLED_VIEWS - 1))
    assert memory.views == 1
    moments = remembering(usual_error=1.0)
    for number in range(SETTLED_VIEWS):
        moments(picture(0), pose(number))
    for number in range(4 * CHANGED_FRAMES):  # a hand that passes now and then
        moments(white if number % CHANGED_FRAMES else picture(0), pose(SETTLED_VIEWS - 1))
    assert moments.views == SETTLED_VIEWS


def test_a_model_of_other_viewpoints_is_refused() -> None:
    with pytest.raises(WeightsError, match="'gqn' cannot see through a live camera"):
        remembering(viewpoint_kind="gqn")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "views.safetensors"
    save_weights(path, model(), {"name": "views"})
    return path


@pytest.fixture(scope="module")
def opened(weights: Path) -> Segmenter:
    return Segmenter(weights, poses=True, device="cpu")


@pytest.fixture
def segmenter(opened: Segmenter) -> Segmenter:
    """It has seen nothing yet."""
    opened.memory.reset()
    return opened


def test_a_segmenter_of_several_views_needs_poses(weights: Path, segmenter: Segmenter) -> None:
    with pytest.raises(WeightsError, match="multi-view model, which needs the camera's pose.*~world"):
        Segmenter(weights)
    image = np.full((48, 64, 3), 200, np.uint8)
    with pytest.raises(ValueError, match="needs the camera's pose with each image"):
        segmenter.segment(image)
    found = segmenter.segment(image, pose(0.3))
    assert found.labels.shape == (48, 64) and segmenter.memory.views == 1
    labels, picture_ = segmenter.view_from(pose(1.0))
    assert labels.shape == (SIZE, SIZE) and picture_.shape == (SIZE, SIZE, 3) and picture_.dtype == np.uint8


def test_a_view_that_the_model_draws_orange_is_shown_orange(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    segmenter.segment(np.full((48, 64, 3), 200, np.uint8), pose(0.3))
    masks = np.full((3, SIZE, SIZE), 1 / 3, np.float32)
    orange = np.broadcast_to(np.float32([1.2, 0.6, -0.1])[:, None, None], (3, SIZE, SIZE))  # as decoders overshoot
    monkeypatch.setattr(segmenter.memory.runtime, "render", lambda mean, viewpoint: (masks, orange))
    _, shown = segmenter.view_from(pose(1.0))
    np.testing.assert_array_equal(shown, np.full((SIZE, SIZE, 3), (255, 153, 0), np.uint8))


def test_a_segmenter_of_single_images_knows_no_other_view(tiny_weights: Path) -> None:
    with pytest.raises(ValueError, match="sees single images"):
        Segmenter(tiny_weights, device="cpu").view_from(pose(0))
