"""A connected RealSense as pyrealsense2 shows it, since no test has one. It may be unplugged, and it may hang."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pyrealsense2 as rs
import pytest
from realsense_recording import lens

SHAPE, FPS, SERIAL = (24, 32), 100, "918273"
REACHED = {rs.frame_metadata_value.actual_exposure: 312, rs.frame_metadata_value.white_balance: 5100}


class PretendedRealSense:
    """Its `options` are the colour sensor's; `late` is by how many seconds depth is stamped after colour.

    `hangs`: it is listed, and sends nothing until it is reset. `hiccups`: names of calls that fail once, one by one.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.is_plugged, self.is_streaming, self.hangs = True, False, False
        self.late = 0.0
        self.hiccups: list[str] = []
        self.resets = self._away = 0
        self.picture: Callable[[], np.ndarray] = lambda: np.zeros((*SHAPE, 3), np.uint8)
        self.options: dict[rs.option, float] = {}
        patch.setattr(rs, "context", lambda: self)
        patch.setattr(rs, "pipeline", lambda context: self)
        patch.setattr(rs, "align", lambda stream: SimpleNamespace(process=self._align))
        patch.setattr(rs, "config", lambda: SimpleNamespace(enable_device=self._choose, enable_stream=lambda *_: None))

    def _choose(self, serial: str) -> None:
        assert serial == SERIAL

    def _hiccup(self, call: str) -> None:
        if call in self.hiccups:
            self.hiccups.remove(call)
            raise RuntimeError(f"{call} failed: Input/output error\nand more that nobody reads")

    def _align(self, frames: SimpleNamespace) -> SimpleNamespace:
        self._hiccup("process")
        return frames

    # A context, a device and its colour sensor
    def query_devices(self) -> list[PretendedRealSense]:
        self._hiccup("query_devices")
        self._away = max(0, self._away - 1)
        return [self] if self.is_plugged and not self._away else []

    def hardware_reset(self) -> None:
        self.resets, self._away, self.hangs = self.resets + 1, 2, False

    def get_info(self, _: rs.camera_info) -> str:
        self._hiccup("get_info")
        return SERIAL

    def first_color_sensor(self) -> PretendedRealSense:
        return self

    def supports(self, _: rs.option) -> bool:
        return True

    def set_option(self, option: rs.option, value: float) -> None:
        self._hiccup("set_option")
        self.options[option] = value

    # A pipeline and its profile
    def start(self, _: object) -> PretendedRealSense:
        self.is_streaming = True
        return self

    def stop(self) -> None:
        self.is_streaming = False
        if not self.is_plugged:
            raise RuntimeError("No device connected")

    def get_device(self) -> PretendedRealSense:
        return self

    def get_stream(self, _: rs.stream) -> SimpleNamespace:
        profile = SimpleNamespace(fps=lambda: FPS, get_intrinsics=lambda: lens(self.picture().shape[:2]))
        return SimpleNamespace(as_video_stream_profile=lambda: profile)

    def try_wait_for_frames(self, timeout: int) -> tuple[bool, SimpleNamespace | None]:
        silent = self.hangs or not self.is_plugged
        time.sleep(timeout / 1000 if silent else 1 / FPS)
        if silent:
            return False, None
        stamp, picture = time.time(), self.picture()
        color = self._frame(picture, stamp, rs.format.rgb8)
        depth = self._frame(np.full(picture.shape[:2], 1500, np.uint16), stamp + self.late, rs.format.z16)
        return True, SimpleNamespace(get_color_frame=lambda: color, get_depth_frame=lambda: depth)

    @staticmethod
    def _frame(pixels: np.ndarray, stamp: float, form: rs.format) -> SimpleNamespace:
        return SimpleNamespace(
            get_data=lambda: pixels,
            get_timestamp=lambda: 1000 * stamp,
            get_frame_timestamp_domain=lambda: rs.timestamp_domain.global_time,
            get_profile=lambda: SimpleNamespace(format=lambda: form),
            get_units=lambda: 0.001,
            supports_frame_metadata=REACHED.__contains__,
            get_frame_metadata=REACHED.__getitem__,
        )
