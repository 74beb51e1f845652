from __future__ import annotations

import numpy as np
import pytest
import torch

from lds_models.iodine import IODINE, IODINEConfig
from lds_models.monet import MONet, MONetConfig
from lds_models.weights import load_weights
from perception.executors import DeviceFailed, eager, openvino
from perception.runtime import SlotRuntime, open_runtime


def image(size: int) -> np.ndarray:
    """A dark square on a light ground with some noise, float32 [3,size,size]."""
    picture = np.random.default_rng(0).uniform(0.7, 0.9, (3, size, size)).astype(np.float32)
    picture[:, size // 4 : size // 2, size // 4 : size // 2] = np.array([0.8, 0.2, 0.1], np.float32)[:, None, None]
    return picture


def untrained(patch: int) -> MONet:
    torch.manual_seed(patch)
    return MONet(MONetConfig(image_size=32, num_slots=4, patch=patch)).eval()


@pytest.mark.parametrize("patch", [1, 2])
@pytest.mark.parametrize(("precision", "tolerance"), [("f32", 0.01), ("bf16", 0.05)])
def test_openvino_gives_the_same_masks_and_latents_as_torch(patch: int, precision: str, tolerance: float) -> None:
    model = untrained(patch)
    masks, latents = SlotRuntime(model, openvino(precision))(image(32))
    true_masks, true_latents = SlotRuntime(model, eager("cpu"))(image(32))
    assert np.abs(masks - true_masks).max() < tolerance
    assert np.abs(latents - true_latents).max() < tolerance * max(1, np.abs(true_latents).max())


@pytest.mark.parametrize(("precision", "tolerance"), [("f32", 0.01), ("bf16", 0.05)])
def test_openvino_gives_the_same_masks_as_torch_with_the_shipped_weights(precision: str, tolerance: float) -> None:
    model = load_weights("monet_lds_table").model
    masks, _ = SlotRuntime(model, openvino(precision))(image(model.image_size))
    true_masks, _ = SlotRuntime(model, eager("cpu"))(image(model.image_size))
    assert np.abs(masks - true_masks).max() < tolerance


@pytest.mark.parametrize(("precision", "tolerance"), [("f32", 1e-3), ("bf16", 0.1)])
def test_iodine_infers_through_openvino_as_in_torch(precision: str, tolerance: float) -> None:
    torch.manual_seed(0)
    config = IODINEConfig(image_size=32, num_slots=4, iterations=3, decoder_channels=8, hidden=16, pixel_std=0.3)
    model = IODINE(config).eval()
    masks, latents = SlotRuntime(model, openvino(precision))(image(32))
    true_masks, true_latents = SlotRuntime(model, eager("cpu"))(image(32))
    assert np.abs(masks - true_masks).max() < tolerance
    assert np.abs(latents - true_latents).max() < tolerance * max(1, np.abs(true_latents).max())


def test_masks_are_probabilities_over_slots_in_the_documented_shapes() -> None:
    masks, latents = open_runtime(untrained(1), device="cpu", threads=1)(image(32))
    assert masks.shape == (4, 32, 32) and latents.shape == (4, 16)
    assert masks.dtype == latents.dtype == np.float32
    np.testing.assert_allclose(masks.sum(0), 1, atol=0.02)


def test_the_same_image_gives_the_same_output_again() -> None:
    runtime = open_runtime(untrained(1), device="cpu")
    first = [part.copy() for part in runtime(image(32))]
    runtime(np.zeros((3, 32, 32), np.float32))
    for before, now in zip(first, runtime(image(32)), strict=True):
        np.testing.assert_array_equal(before, now)


def test_a_model_that_diverged_is_refused_at_the_start() -> None:
    model = untrained(1)
    with torch.no_grad():
        model.attention.head.bias.fill_(torch.nan)
    with pytest.raises(ValueError, match="not finite"):
        open_runtime(model, device="cpu")


def test_a_device_that_is_not_there_is_refused_in_words() -> None:
    with pytest.raises(DeviceFailed, match="the device 'cuda:7' cannot be used: "):
        open_runtime(untrained(1), device="cuda:7")
