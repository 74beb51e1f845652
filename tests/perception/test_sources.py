"""Pictures out of files: what is red in a file is red for the model, whose channels are R, G, B."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from perception.sources import open_source

COLOURS = np.array([[220, 20, 30], [30, 190, 40], [20, 40, 210]])  # R, G, B of three stripes


def stripes() -> np.ndarray:
    """uint8 [48,96,3], RGB."""
    return np.broadcast_to(COLOURS.repeat(32, axis=0), (48, 96, 3)).astype(np.uint8)


def colours_read(path: Path) -> np.ndarray:
    """The mean colours of the three stripes in a file's last frame."""
    source = open_source([path])
    *_, frame = source.frames()
    image = frame.read()
    assert image.shape == (48, 96, 3) and image.dtype == np.uint8
    return np.stack([image[:, 32 * i + 8 : 32 * i + 24].mean((0, 1)) for i in range(3)])


@pytest.mark.parametrize("name", ["photo.png", "photo.jpg", "photo.bmp", "photo.webp"])
def test_colours_of_an_image_file_are_in_the_order_red_green_blue(tmp_path: Path, name: str) -> None:
    Image.fromarray(stripes()).save(tmp_path / name)
    np.testing.assert_allclose(colours_read(tmp_path / name), COLOURS, atol=12)


@pytest.mark.parametrize(("name", "codec"), [("arm.avi", "MJPG"), ("arm.mp4", "mp4v")])
def test_colours_of_a_video_are_in_the_order_red_green_blue(tmp_path: Path, name: str, codec: str) -> None:
    video = cv2.VideoWriter(str(tmp_path / name), cv2.VideoWriter.fourcc(*codec), 10, (96, 48))
    for _ in range(3):
        video.write(np.ascontiguousarray(stripes()[..., ::-1]))  # OpenCV takes B, G, R
    video.release()
    np.testing.assert_allclose(colours_read(tmp_path / name), COLOURS, atol=25)
