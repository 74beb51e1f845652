"""Pictures and cameras out of ROS messages, as rosbags gives them."""

from __future__ import annotations

from typing import Any

import numpy as np

MODELS = ("plumb_bob", "rational_polynomial", "")


def image_of(message: Any) -> np.ndarray:
    """The picture of a sensor_msgs/Image or CompressedImage, uint8 [H,W,3] RGB.

    Raises:
        ValueError: it is of an encoding or a format that is not read, or damaged.
    """
    import cv2

    if hasattr(message, "format"):
        picture = cv2.imdecode(np.asarray(message.data, np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            raise ValueError(f"a compressed image of format '{message.format}' cannot be read; JPEG and PNG can")
        return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    to_rgb = {
        "rgb8": None, "bgr8": cv2.COLOR_BGR2RGB, "rgba8": cv2.COLOR_RGBA2RGB, "bgra8": cv2.COLOR_BGRA2RGB,
        "mono8": cv2.COLOR_GRAY2RGB, "8UC1": cv2.COLOR_GRAY2RGB, "8UC3": cv2.COLOR_BGR2RGB,
    }  # fmt: skip
    if message.encoding not in to_rgb:
        raise ValueError(f"images of encoding '{message.encoding}' are not read, only {', '.join(to_rgb)}")
    channels = {"mono8": 1, "8UC1": 1, "rgba8": 4, "bgra8": 4}.get(message.encoding, 3)
    pixels = _pixels(message, np.dtype(np.uint8), channels)
    return pixels if to_rgb[message.encoding] is None else cv2.cvtColor(pixels, to_rgb[message.encoding])


def depth_of(message: Any) -> np.ndarray:
    """Metres of a sensor_msgs/Image of encoding 32FC1 (metres) or 16UC1 (millimetres), float32 [H,W]; 0 where unknown.

    Raises:
        ValueError: it is of another encoding, or damaged.
    """
    order = ">" if message.is_bigendian else "<"
    if message.encoding == "32FC1":
        depth = _pixels(message, np.dtype(f"{order}f4"), 1)[..., 0].astype(np.float32)
        return np.where(np.isfinite(depth) & (depth > 0), depth, 0).astype(np.float32)
    if message.encoding in ("16UC1", "mono16"):
        return _pixels(message, np.dtype(f"{order}u2"), 1)[..., 0].astype(np.float32) * np.float32(1e-3)
    raise ValueError(f"depth of encoding '{message.encoding}' is not read, only 32FC1 and 16UC1")


def intrinsics_of(message: Any, rectified: bool) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """K [3,3], distortion [5] (OpenCV order) and the size (height, width) of a sensor_msgs/CameraInfo.

    Args:
        rectified: the pictures are rectified: P holds for them, and no distortion.

    Raises:
        ValueError: it is not calibrated, or of a lens model that a scene cannot hold.
    """
    K = np.array(message.P, np.float64).reshape(3, 4)[:, :3] if rectified else np.array(message.K, np.float64)
    K, D = K.reshape(3, 3), np.zeros(0) if rectified else np.array(message.D, np.float64)
    if K[0, 0] <= 0 or K[1, 1] <= 0:
        raise ValueError("the camera is not calibrated (focal length 0)")
    if message.distortion_model not in MODELS or D[5:].any():
        raise ValueError(
            f"a lens of model '{message.distortion_model}' with {len(D)} terms has no place in a scene; "
            f"record rectified images"
        )
    if message.binning_x > 1 or message.binning_y > 1 or message.roi.x_offset or message.roi.y_offset:
        raise ValueError("binning or a region of interest is set, which is not supported; record whole images")
    return K, np.pad(D[:5], (0, 5 - len(D[:5]))), (message.height, message.width)


def _pixels(message: Any, dtype: np.dtype, channels: int) -> np.ndarray:
    """The data of an Image [H,W,channels], without the padding at the end of its rows."""
    height, width, step = message.height, message.width, message.step
    row = width * channels * dtype.itemsize
    if not height or not width or step < row or len(message.data) != height * step:
        raise ValueError(f"an image of {width} x {height} is damaged: {len(message.data)} bytes, in rows of {step}")
    rows = np.asarray(message.data, np.uint8).reshape(height, step)[:, :row]
    return np.ascontiguousarray(rows).view(dtype).reshape(height, width, channels)
