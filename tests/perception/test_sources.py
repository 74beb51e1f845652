"""Pictures out of files: what is red in a file is red for the model, whose channels are R, G, B."""

from __future__ import annotations

import struct
import zlib
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


def test_an_image_of_too_many_pixels_is_refused_as_one_that_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "huge.png"
    Image.fromarray(stripes()).save(file)
    content = bytearray(file.read_bytes())
    content[16:24] = struct.pack(">II", 40000, 40000)  # what the header says
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    file.write_bytes(content)
    (frame,) = open_source([file]).frames()
    with pytest.raises(ValueError, match=r"it cannot be read as an image \(pixels"):
        frame.read()


@pytest.mark.parametrize("name", ["photo.png", "photo.jpg", "photo.jpeg"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_an_image_file_that_is_cut_off_cannot_be_read(tmp_path: Path, name: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(share * len(content))])
    (frame,) = open_source([tmp_path / name]).frames()
    with pytest.raises(ValueError, match="it cannot be read as an image"):
        frame.read()


def test_a_jpeg_file_may_go_on_behind_its_end(tmp_path: Path) -> None:
    """As phones write them: a second picture, or what only their maker knows."""
    Image.fromarray(stripes()).save(tmp_path / "photo.jpg")
    content = (tmp_path / "photo.jpg").read_bytes()
    (tmp_path / "photo.jpg").write_bytes(content + b"SEFT" + content[:300])
    np.testing.assert_allclose(colours_read(tmp_path / "photo.jpg"), COLOURS, atol=12)


@pytest.mark.parametrize(("name", "codec"), [("arm.avi", "MJPG"), ("arm.mp4", "mp4v")])
def test_colours_of_a_video_are_in_the_order_red_green_blue(tmp_path: Path, name: str, codec: str) -> None:
    video = cv2.VideoWriter(str(tmp_path / name), cv2.VideoWriter.fourcc(*codec), 10, (96, 48))
    for _ in range(3):
        video.write(np.ascontiguousarray(stripes()[..., ::-1]))  # OpenCV takes B, G, R
    video.release()
    np.testing.assert_allclose(colours_read(tmp_path / name), COLOURS, atol=25)
