"""Pictures, depth and lenses out of ROS messages, whether rospy or rosbags has parsed them; without ROS."""

from __future__ import annotations

from typing import Any

import numpy as np

# Encoding -> channels, and OpenCV's conversion to RGB. OpenCV's names without colours are read in OpenCV's order, as
# rviz reads them.
_TO_RGB: dict[str, tuple[int, str | None]] = {
    "rgb8": (3, None),
    "bgr8": (3, "COLOR_BGR2RGB"),
    "rgba8": (4, "COLOR_RGBA2RGB"),
    "bgra8": (4, "COLOR_BGRA2RGB"),
    "mono8": (1, "COLOR_GRAY2RGB"),
    "8UC1": (1, "COLOR_GRAY2RGB"),
    "8UC3": (3, "COLOR_BGR2RGB"),
}
IMAGE_ENCODINGS = tuple(_TO_RGB)
LABEL_ENCODING = "32SC1"
# Encoding of depth images (REP 118, and what some drivers call it) -> type of a pixel, and its unit in metres.
_DEPTH: dict[str, tuple[str, float]] = {"32FC1": ("f4", 1.0), "16UC1": ("u2", 1e-3), "mono16": ("u2", 1e-3)}


def image_from_message(message: Any) -> np.ndarray:
    """The picture in a sensor_msgs/Image or CompressedImage, uint8 [H,W,3] RGB. It may be read-only.

    Raises:
        ValueError: its encoding is none of IMAGE_ENCODINGS, its sizes do not fit together, or it is damaged.
    """
    import cv2

    if hasattr(message, "format"):
        data = np.frombuffer(message.data, np.uint8)
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if data.size else None
        if picture is None:
            raise ValueError(f"a compressed image of format '{message.format}' cannot be read; JPEG and PNG can")
        return picture
    if message.encoding not in _TO_RGB:
        raise ValueError(
            f"images of encoding '{message.encoding}' are not taken, only {', '.join(IMAGE_ENCODINGS)}; "
            "convert them (image_proc does) or set the camera driver to one of these"
        )
    channels, to_rgb = _TO_RGB[message.encoding]
    pixels = _pixels(message, np.dtype(np.uint8), channels)
    return pixels if to_rgb is None else cv2.cvtColor(pixels, getattr(cv2, to_rgb))


def labels_from_message(message: Any) -> np.ndarray:
    """The labels in a sensor_msgs/Image of encoding 32SC1, int32 [H,W].

    Raises:
        ValueError: it has another encoding, or its sizes do not fit together.
    """
    if message.encoding != LABEL_ENCODING:
        raise ValueError(f"label images have the encoding {LABEL_ENCODING}, and this one has '{message.encoding}'")
    return _pixels(message, _in_its_order(message, "i4"), 1)[..., 0].astype(np.int32, copy=False)


def depth_from_message(message: Any) -> np.ndarray:
    """The depth in a sensor_msgs/Image, float32 [H,W], metres along the optical axis, 0 where it is unknown.

    Unknown is what REP 118 and drivers write for it: NaN, infinity, 0 and less.

    Raises:
        ValueError: it has another encoding than 32FC1 or 16UC1, or its sizes do not fit together.
    """
    if message.encoding not in _DEPTH:
        raise ValueError(
            "depth images have the encoding 32FC1 (metres) or 16UC1 (millimetres), "
            f"and this one has '{message.encoding}'"
        )
    kind, unit = _DEPTH[message.encoding]
    depth = _pixels(message, _in_its_order(message, kind), 1)[..., 0].astype(np.float32) * np.float32(unit)
    return np.where(np.isfinite(depth) & (depth > 0), depth, np.float32(0))


def intrinsics_from_message(info: Any, rectified: bool = False) -> tuple[np.ndarray, np.ndarray] | None:
    """The lens in a sensor_msgs/CameraInfo: K float64 [3,3] and distortion float64 [5] (OpenCV's k1 k2 p1 p2 k3).

    Args:
        rectified: of images that image_proc has rectified: K is then the left part of P, without distortion.

    Returns:
        None where the camera is not calibrated (its K is zero, as sensor_msgs has it).

    Raises:
        ValueError: a distortion that these five numbers do not express, a cropped or binned image, or numbers that no
            lens has.
    """
    roi = info.roi
    cropped = roi.x_offset or roi.y_offset or roi.width not in (0, info.width) or roi.height not in (0, info.height)
    if cropped or info.binning_x > 1 or info.binning_y > 1:
        raise ValueError("the camera crops or bins its image, which is not taken: set its driver to the full image")
    if not any(info.K):
        return None
    if rectified:
        return _lens(np.reshape(info.P, (3, 4))[:, :3], np.zeros(5))
    terms = np.asarray(info.D, np.float64)
    # plumb_bob is the beginning of rational_polynomial (k4 k5 k6 and more follow), which is OpenCV's own order.
    if info.distortion_model not in ("plumb_bob", "rational_polynomial", "") or np.any(terms[5:]):
        raise ValueError(
            f"lens distortion '{info.distortion_model}' with D = {terms.tolist()} is not taken, only plumb_bob "
            "(k1 k2 p1 p2 k3): rectify the images with image_proc, or calibrate with `lds capture calibrate intrinsics`"
        )
    distortion = np.zeros(5)
    distortion[: len(terms[:5])] = terms[:5]
    return _lens(np.reshape(info.K, (3, 3)), distortion)


def _lens(K: np.ndarray, distortion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both, where they can be of a lens. Raises ValueError."""
    K = K.astype(np.float64)
    if not (np.isfinite(K).all() and np.isfinite(distortion).all() and K[0, 0] > 0 and K[1, 1] > 0):
        raise ValueError(
            f"the camera's camera_info cannot be of a lens (focal lengths {K[0, 0]:g} and {K[1, 1]:g}, distortion "
            f"{distortion.tolist()}): see to its driver, or calibrate with `lds capture calibrate intrinsics`"
        )
    return K, distortion


def _in_its_order(message: Any, kind: str) -> np.dtype:
    """numpy's type of a pixel, in the byte order that the message names."""
    return np.dtype(f"{'>' if message.is_bigendian else '<'}{kind}")


def _pixels(message: Any, dtype: np.dtype, channels: int) -> np.ndarray:
    """The data of a message [H,W,channels], without the padding at the end of its rows."""
    height, width, step = message.height, message.width, message.step
    what = f"the {message.encoding} image of {width} x {height} pixels"
    if not height or not width:
        raise ValueError(f"{what} is empty")
    row = width * channels * dtype.itemsize
    if step < row:
        raise ValueError(f"{what} has rows (step) of {step} bytes, and needs {row} or more")
    if len(message.data) != height * step:
        raise ValueError(f"{what} has {len(message.data)} bytes of data, and needs height x step = {height * step}")
    rows = np.frombuffer(message.data, np.uint8).reshape(height, step)[:, :row]
    return np.ascontiguousarray(rows).view(dtype).reshape(height, width, channels)
