"""ROS messages whose fields do not fit together, as a broken driver sends them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
from batches import Kind, expect_none_at_fault
from mutation import mutated
from nursery import Nursery

from datasets.rosbag.messages import (
    IMAGE_ENCODINGS,
    depth_from_message,
    image_from_message,
    intrinsics_from_message,
    labels_from_message,
)

HEIGHT, WIDTH = 4, 6
BYTES = {
    "rgb8": 3,
    "bgr8": 3,
    "rgba8": 4,
    "bgra8": 4,
    "mono8": 1,
    "8UC1": 1,
    "8UC3": 3,
    "32SC1": 4,
    "32FC1": 4,
    "16UC1": 2,
    "mono16": 2,
}
MODELS = ("plumb_bob", "plumb_bob", "rational_polynomial", "", "equidistant", "x")
SIZES = (0, 1, 3, 2**16, 2**31, 2**32 - 1)


def write_image(rng: Random, folder: Path) -> Any:
    """An Image or a CompressedImage, as rospy or rosbags give it, with up to two fields that do not fit."""
    if rng.random() < 0.2:
        kind = rng.choice((".png", ".jpg"))
        data = cv2.imencode(kind, np.zeros((HEIGHT, WIDTH, 3), np.uint8))[1].tobytes()
        return SimpleNamespace(format=kind[1:], data=rng.choice((b"", mutated(rng, data))))
    encoding = rng.choice(list(BYTES))
    step = WIDTH * BYTES[encoding] + rng.choice((0, 0, 0, 5))
    data = rng.randbytes(HEIGHT * step)
    message = SimpleNamespace(height=HEIGHT, width=WIDTH, encoding=encoding, is_bigendian=0, step=step, data=data)
    for _ in range(rng.randrange(3)):
        field = rng.choice(list(vars(message)))
        odd = {
            "encoding": ("", "yuv422", "bayer_rggb8", "RGB8", "64FC1", *IMAGE_ENCODINGS),
            "data": (b"", data[:-1], data * 2, bytes(10)),
        }.get(field, SIZES)
        setattr(message, field, rng.choice(odd))
    if rng.random() < 0.3:
        message.data = np.frombuffer(message.data, np.uint8)
    return message


def write_info(rng: Random, folder: Path) -> Any:
    odd = (0.0, 1.0, -1.0, np.nan, np.inf, 1e300)
    lens = [600.0, 0, 3, 0, 600, 2, 0, 0, 1]
    message = SimpleNamespace(
        height=HEIGHT, width=WIDTH, distortion_model=rng.choice(MODELS),
        D=[rng.choice((0.0, 0.1, *odd)) for _ in range(rng.choice((0, 4, 5, 5, 8, 14, 100)))],
        K=lens, P=[*lens[:3], 0, *lens[3:6], 0, *lens[6:], 0], binning_x=rng.choice((0, 0, 1, 2)), binning_y=0,
        roi=SimpleNamespace(x_offset=0, y_offset=rng.choice((0, 0, 3)), height=0, width=rng.choice((0, WIDTH, *SIZES))),
    )  # fmt: skip
    for values in (message.K, message.P):
        if rng.random() < 0.5:
            values[rng.randrange(len(values))] = rng.choice(odd)
    return message


def read_image(message: Any) -> None:
    """All three readers; any of them may refuse."""
    refusals = []
    for read, dtype in (
        (image_from_message, np.uint8),
        (labels_from_message, np.int32),
        (depth_from_message, np.float32),
    ):
        try:
            if not hasattr(message, "format") or read is image_from_message:
                found = read(message)
                assert found.dtype == dtype and found.size and (dtype != np.float32 or np.isfinite(found).all())
        except ValueError as error:
            refusals.append(error)
    if refusals:
        raise refusals[0]


def read_info(message: Any) -> None:
    for rectified in (False, True):
        lens = intrinsics_from_message(message, rectified)
        if lens is not None:
            assert lens[0].shape == (3, 3) and lens[1].shape == (5,)
            assert all(np.isfinite(part).all() for part in lens), "a lens of NaN"
            assert lens[0][0, 0] > 0 and lens[0][1, 1] > 0, "a lens without focal length"


def test_every_image_message_is_read_or_refused(nursery: Nursery, share: Callable[[int], int], tmp_path: Path) -> None:
    expect_none_at_fault(nursery, Kind(write_image, read_image, (ValueError,), named=False), share(1000), tmp_path)


def test_every_lens_message_is_read_or_refused(nursery: Nursery, share: Callable[[int], int], tmp_path: Path) -> None:
    expect_none_at_fault(nursery, Kind(write_info, read_info, (ValueError,), named=False), share(300), tmp_path)
