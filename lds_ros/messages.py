"""Between numpy and ROS messages. Our own: cv_bridge breaks with a numpy or OpenCV that it was not built for."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import TransformStamped
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from datasets.poses import numbers_of_pose
from datasets.rosbag.messages import (
    IMAGE_ENCODINGS,
    LABEL_ENCODING,
    depth_from_message,
    image_from_message,
    intrinsics_from_message,
    labels_from_message,
)

__all__ = [
    "IMAGE_ENCODINGS", "camera_info_message", "depth_from_message", "depth_message", "image_from_message",
    "image_message", "intrinsics_from_message", "label_message", "labels_from_message", "transform_message",
]  # fmt: skip


def image_message(image: np.ndarray, header: Header) -> Image:
    """An rgb8 message of an image uint8 [H,W,3]."""
    return _message(image, header, "rgb8")


def label_message(labels: np.ndarray, header: Header) -> Image:
    """A 32SC1 message of labels int32 [H,W]."""
    return _message(labels.astype("<i4", copy=False), header, LABEL_ENCODING)


def depth_message(depth: np.ndarray, header: Header) -> Image:
    """A 32FC1 message of depth float32 [H,W], metres; NaN in place of 0, which is how REP 118 writes unknown."""
    return _message(np.where(depth > 0, depth, np.nan).astype("<f4"), header, "32FC1")


def camera_info_message(
    K: np.ndarray, height: int, width: int, header: Header, distortion: np.ndarray | None = None
) -> CameraInfo:
    """The lens with intrinsics K [3,3] and distortion [5], OpenCV's order; None: an ideal pinhole camera's."""
    return CameraInfo(
        header=header,
        height=height,
        width=width,
        distortion_model="plumb_bob",
        D=[0.0] * 5 if distortion is None else distortion.tolist(),
        K=K.ravel().tolist(),
        R=np.eye(3).ravel().tolist(),
        P=np.column_stack([K, np.zeros(3)]).ravel().tolist(),
    )


def transform_message(T_parent_child: np.ndarray, parent: str, child: Header) -> TransformStamped:
    """A pose [4,4] in the frame `parent`: of the frame that the header `child` names, at its stamp."""
    message = TransformStamped(header=Header(stamp=child.stamp, frame_id=parent), child_frame_id=child.frame_id)
    translation, rotation = message.transform.translation, message.transform.rotation
    translation.x, translation.y, translation.z, *quaternion = numbers_of_pose(T_parent_child)
    rotation.x, rotation.y, rotation.z, rotation.w = quaternion
    return message


def _message(pixels: np.ndarray, header: Header, encoding: str) -> Image:
    height, width = pixels.shape[:2]
    data = np.ascontiguousarray(pixels).tobytes()
    return Image(header, height, width, encoding, 0, len(data) // height, data)
