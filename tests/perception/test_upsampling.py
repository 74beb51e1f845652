from __future__ import annotations

import cv2
import numpy as np

from perception.upsampling import Upsampler


def discs(size: int) -> tuple[np.ndarray, np.ndarray]:
    """An image [size,size,3] of two coloured discs on a light ground, and its labels."""
    labels = np.zeros((size, size), np.uint8)
    for label, centre in ((1, (0.35, 0.4)), (2, (0.65, 0.6))):
        cv2.circle(labels, tuple(round(c * size) for c in centre), round(0.13 * size), label, -1)
    colours = np.array([[225, 222, 215], [200, 40, 30], [235, 205, 60]])
    noise = np.random.default_rng(0).normal(0, 3, (size, size, 3))
    return (colours[labels] + noise).clip(0, 255).astype(np.uint8), labels


def coarse(labels: np.ndarray, size: int = 64) -> np.ndarray:
    """Probabilities [3,size,size] as a model gives them: blurred."""
    layers = [
        cv2.resize((labels == i).astype(np.float32), (size, size), interpolation=cv2.INTER_AREA) for i in range(3)
    ]
    return np.stack([cv2.GaussianBlur(layer, (0, 0), 1.0) for layer in layers])


def wrong_share(found: np.ndarray, truth: np.ndarray) -> float:
    return np.mean(found != truth) / np.mean(truth > 0)


def test_labels_follow_the_edges_of_the_image() -> None:
    image, truth = discs(480)
    probabilities = coarse(truth)
    plain = np.stack([cv2.resize(p, (480, 480)) for p in probabilities]).argmax(0)
    guided = Upsampler()(probabilities, image)
    assert wrong_share(guided, truth) < 0.01
    assert wrong_share(guided, truth) < wrong_share(plain, truth) / 3


def test_without_edges_in_the_image_the_probabilities_decide() -> None:
    _, truth = discs(480)
    guided = Upsampler()(coarse(truth), np.full((480, 480, 3), 128, np.uint8))
    assert wrong_share(guided, truth) < 0.06


def test_one_label_fills_the_image() -> None:
    image, _ = discs(200)
    assert not Upsampler()(np.ones((1, 64, 64), np.float32), image).any()


def test_images_smaller_than_the_model_are_taken() -> None:
    image, truth = discs(48)
    labels = Upsampler()(coarse(truth), image)
    assert labels.shape == (48, 48) and labels.dtype == np.uint8
    assert wrong_share(labels, truth) < 0.2


def test_one_image_after_another_of_any_size_is_as_good_as_the_first() -> None:
    upsample = Upsampler()
    for size in (200, 480, 480, 200):
        image, truth = discs(size)
        np.testing.assert_array_equal(upsample(coarse(truth), image), Upsampler()(coarse(truth), image))
