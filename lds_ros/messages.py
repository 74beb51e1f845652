"""Between numpy and ROS messages. Our own: cv_bridge breaks with a numpy or OpenCV that it was not built for."""

from __future__ import annotations

import cv2
import numpy as np
from geometry_msgs.msg import TransformStamped
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

# Encoding -> channels, and OpenCV's conversion to RGB. OpenCV's names without colours are read in OpenCV's order, as
# rviz reads them.
_TO_RGB: dict[str, tuple[int, int | None]] = {
    "rgb8": (3, None),
    "bgr8": (3, cv2.COLOR_BGR2RGB),
    "rgba8": (4, cv2.COLOR_RGBA2RGB),
    "bgra8": (4, cv2.COLOR_BGRA2RGB),
    "mono8": (1, cv2.COLOR_GRAY2RGB),
    "8UC1": (1, cv2.COLOR_GRAY2RGB),
    "8UC3": (3, cv2.COLOR_BGR2RGB),
}
IMAGE_ENCODINGS = tuple(_TO_RGB)
LABEL_ENCODING = "32SC1"


def image_from_message(message: Image) -> np.ndarray:
    """The picture in a sensor_msgs/Image, uint8 [H,W,3] RGB. It may be read-only.

    Raises:
        ValueError: its encoding is none of IMAGE_ENCODINGS, or its sizes do not fit together.
    """
    if message.encoding not in _TO_RGB:
        raise ValueError(
            f"images of encoding '{message.encoding}' are not taken, only {', '.join(IMAGE_ENCODINGS)}; "
            "convert them (image_proc does) or set the camera driver to one of these"
        )
    channels, to_rgb = _TO_RGB[message.encoding]
    pixels = _pixels(message, np.dtype(np.uint8), channels)
    return pixels if to_rgb is None else cv2.cvtColor(pixels, to_rgb)


def labels_from_message(message: Image) -> np.ndarray:
    """The labels in a sensor_msgs/Image of encoding 32SC1, int32 [H,W].

    Raises:
        ValueError: it has another encoding, or its sizes do not fit together.
    """
    if message.encoding != LABEL_ENCODING:
        raise ValueError(f"label images have the encoding {LABEL_ENCODING}, and this one has '{message.encoding}'")
    order = ">" if message.is_bigendian else "<"
    return _pixels(message, np.dtype(f"{order}i4"), 1)[..., 0].astype(np.int32, copy=False)


def image_message(image: np.ndarray, header: Header) -> Image:
    """An rgb8 message of an image uint8 [H,W,3]."""
    return _message(image, header, "rgb8")


def label_message(labels: np.ndarray, header: Header) -> Image:
    """A 32SC1 message of labels int32 [H,W]."""
    return _message(labels.astype("<i4", copy=False), header, LABEL_ENCODING)


def camera_info_message(K: np.ndarray, height: int, width: int, header: Header) -> CameraInfo:
    """The calibration of an ideal pinhole camera with intrinsics K [3,3]."""
    return CameraInfo(
        header=header,
        height=height,
        width=width,
        distortion_model="plumb_bob",
        D=[0.0] * 5,
        K=K.ravel().tolist(),
        R=np.eye(3).ravel().tolist(),
        P=np.column_stack([K, np.zeros(3)]).ravel().tolist(),
    )


def transform_message(T_world_camera: np.ndarray, world: str, header: Header) -> TransformStamped:
    """The camera's pose [4,4] in the frame `world`; the header's frame is the camera's, its stamp the pose's."""
    from scipy.spatial.transform import Rotation

    message = TransformStamped(header=Header(stamp=header.stamp, frame_id=world), child_frame_id=header.frame_id)
    translation, rotation = message.transform.translation, message.transform.rotation
    translation.x, translation.y, translation.z = T_world_camera[:3, 3]
    rotation.x, rotation.y, rotation.z, rotation.w = Rotation.from_matrix(T_world_camera[:3, :3]).as_quat()
    return message


def _pixels(message: Image, dtype: np.dtype, channels: int) -> np.ndarray:
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


def _message(pixels: np.ndarray, header: Header, encoding: str) -> Image:
    height, width = pixels.shape[:2]
    data = np.ascontiguousarray(pixels).tobytes()
    return Image(header, height, width, encoding, 0, len(data) // height, data)
