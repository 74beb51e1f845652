"""Recordings of a RealSense that never was, made by librealsense's own software device and recorder."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pyrealsense2 as rs

SERIAL, DEPTH_UNITS, FPS = "0123456789", 0.0005, 30


def lens(shape: tuple[int, int], model: rs.distortion = rs.distortion.none, coeffs: tuple = (0,) * 5, **fields: float):
    """Intrinsics for images of a shape [H,W], about as a D435 has them."""
    made = rs.intrinsics()
    made.height, made.width = shape
    made.fx, made.fy = 0.95 * made.width, 0.96 * made.width
    made.ppx, made.ppy = made.width / 2 - 1.5, made.height / 2 + 0.7
    made.model, made.coeffs = model, [float(term) for term in coeffs]
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def record(
    path: Path, images: np.ndarray, depths: np.ndarray, color_lens: rs.intrinsics, depth_lens: rs.intrinsics,
    late_depth: float = 0.0, without_depth: int = 0,
) -> None:  # fmt: skip
    """Record images uint8 [N,H,W,3] and depths uint16 [N,H,W] as a .db3 file.

    Args:
        late_depth: seconds by which depth is stamped later.
        without_depth: so many first frames have none.
    """
    device = rs.software_device()
    device.register_info(rs.camera_info.name, "RealSense that never was")
    device.register_info(rs.camera_info.serial_number, SERIAL)
    sensors = {name: device.add_sensor(name) for name in ("Stereo Module", "RGB Camera")}
    depth = sensors["Stereo Module"].add_video_stream(_stream(rs.stream.depth, rs.format.z16, 2, depth_lens))
    color = sensors["RGB Camera"].add_video_stream(_stream(rs.stream.color, rs.format.rgb8, 3, color_lens))
    sensors["Stereo Module"].add_read_only_option(rs.option.depth_units, DEPTH_UNITS)
    same_place = rs.extrinsics()
    same_place.rotation, same_place.translation = [1, 0, 0, 0, 1, 0, 0, 0, 1], [0, 0, 0]
    depth.register_extrinsics_to(color, same_place)
    recorder = rs.recorder(str(path), device)
    queue = rs.frame_queue(4)
    open_sensors = recorder.query_sensors()
    for sensor in open_sensors:  # all, before one starts: the recorder notes how they stand to each other then
        sensor.open(depth if sensor.name == "Stereo Module" else color)
    for sensor in open_sensors:
        sensor.start(queue)
    start = time.time()
    for i, (image, distances) in enumerate(zip(images, depths, strict=True)):
        stamp = start + i / FPS
        sensors["RGB Camera"].on_video_frame(_frame(image, 3, stamp, i, color))
        if i >= without_depth:
            sensors["Stereo Module"].on_video_frame(_frame(distances, 2, stamp + late_depth, i, depth))
        time.sleep(0.01)  # the recorder writes in a thread of its own
    time.sleep(0.2)
    for sensor in open_sensors:
        sensor.stop()
        sensor.close()


def _stream(kind: rs.stream, form: rs.format, bytes_per_pixel: int, intrinsics: rs.intrinsics) -> rs.video_stream:
    made = rs.video_stream()
    made.type, made.index, made.uid, made.fmt, made.bpp, made.fps = kind, 0, int(kind), form, bytes_per_pixel, FPS
    made.width, made.height, made.intrinsics = intrinsics.width, intrinsics.height, intrinsics
    return made


def _frame(pixels: np.ndarray, bpp: int, stamp: float, number: int, profile: rs.stream_profile):
    made = rs.software_video_frame()
    made.pixels, made.bpp, made.stride = np.ascontiguousarray(pixels), bpp, bpp * pixels.shape[1]
    made.timestamp, made.domain = 1000 * stamp, rs.timestamp_domain.global_time
    made.frame_number, made.profile = number + 1, profile.as_video_stream_profile()
    if bpp == 2:
        made.depth_units = DEPTH_UNITS
    return made
