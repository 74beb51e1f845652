"""Bags as a robot records them, written by rosbags: a camera on a known path, with tf and camera_info."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag1 import Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from scipy.spatial.transform import Rotation

START = 1_700_000_000  # seconds
WIDTH, HEIGHT, FOCAL = 32, 24, 40.0
FRAME = "camera_optical_frame"

store = get_typestore(Stores.ROS1_NOETIC)
store.register(get_types_from_msg("geometry_msgs/TransformStamped[] transforms\n", "tf2_msgs/msg/TFMessage"))


def message(kind: str, **fields: Any) -> Any:
    return store.types[kind](**fields)


def header(time: float, frame: str, seq: int = 0) -> Any:
    """Of a moment in seconds after START."""
    ns = round(time * 1e9)
    stamp = message("builtin_interfaces/msg/Time", sec=START + ns // 10**9, nanosec=ns % 10**9)
    return message("std_msgs/msg/Header", seq=seq, stamp=stamp, frame_id=frame)


def transform(time: float, parent: str, child: str, pose: np.ndarray) -> Any:
    x, y, z = pose[:3, 3]
    qx, qy, qz, qw = Rotation.from_matrix(pose[:3, :3]).as_quat()
    return message(
        "geometry_msgs/msg/TransformStamped", header=header(time, parent), child_frame_id=child,
        transform=message(
            "geometry_msgs/msg/Transform", translation=message("geometry_msgs/msg/Vector3", x=x, y=y, z=z),
            rotation=message("geometry_msgs/msg/Quaternion", x=qx, y=qy, z=qz, w=qw),
        ),
    )  # fmt: skip


def image(time: float, pixels: np.ndarray, encoding: str) -> Any:
    """A sensor_msgs/Image of pixels [H,W] or [H,W,C], its rows padded by 4 bytes."""
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(len(pixels), -1)
    rows = np.pad(rows, ((0, 0), (0, 4)))
    return message(
        "sensor_msgs/msg/Image", header=header(time, FRAME), height=len(pixels), width=pixels.shape[1],
        encoding=encoding, is_bigendian=0, step=rows.shape[1], data=rows.ravel(),
    )  # fmt: skip


def compressed(time: float, data: bytes, kind: str) -> Any:
    return message(
        "sensor_msgs/msg/CompressedImage", header=header(time, FRAME), format=kind, data=np.frombuffer(data, np.uint8)
    )


def camera_info(time: float, D: Sequence[float] = (0.1, -0.2, 0.001, 0.002, 0.05), focal: float = FOCAL) -> Any:
    K = np.array([focal, 0, 15.5, 0, focal, 11.5, 0, 0, 1])
    P = np.array([focal, 0, 15.5, 0, 0, focal, 11.5, 0, 0, 0, 1, 0])
    roi = message("sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
    return message(
        "sensor_msgs/msg/CameraInfo", header=header(time, FRAME), height=HEIGHT, width=WIDTH,
        distortion_model="plumb_bob", D=np.array(D), K=K, R=np.eye(3).ravel(), P=P, binning_x=0, binning_y=0, roi=roi,
    )  # fmt: skip


def write_bag(path: Path, records: Sequence[tuple[float, str, Any]]) -> Path:
    """Write a bag of (seconds after START, topic, message)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with Writer(path) as writer:
        connections = {}
        for time, topic, content in sorted(records, key=lambda record: record[0]):
            kind = content.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=store)
            stamp = START * 10**9 + round(time * 1e9)
            writer.write(connections[topic], stamp, store.serialize_ros1(content, kind))
    return path


def recording(
    path_of_tool: Callable[[float], np.ndarray],
    image_times: Sequence[float],
    picture: Callable[[int], np.ndarray],
    tf_times: Sequence[float],
    tool_camera: np.ndarray,
    world_base: np.ndarray,
) -> list[tuple[float, str, Any]]:
    """What an arm with a camera records: rgb8 pictures, camera_info, base_link -> tool0 moving, the rest static."""
    records = [
        (0.0, "/tf_static", message("tf2_msgs/msg/TFMessage", transforms=[
            transform(0.0, "tool0", FRAME, tool_camera), transform(0.0, "world", "/base_link", world_base),
        ])),
    ]  # fmt: skip
    for time in tf_times:
        moving = transform(time, "base_link", "tool0", path_of_tool(time))
        records.append((time, "/tf", message("tf2_msgs/msg/TFMessage", transforms=[moving])))
    for number, time in enumerate(image_times):
        records.append((time + 0.02, "/camera/image_raw", image(time, picture(number), "rgb8")))
        records.append((time + 0.02, "/camera/camera_info", camera_info(time)))
    return records
