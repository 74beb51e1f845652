"""An Intel RealSense by pyrealsense2: colour, and depth aligned to it; or a recording of one in its place."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack

import numpy as np
import pyrealsense2 as rs

from capture.cameras.camera import Camera, Frame, Intrinsics
from capture.cameras.realsense_lens import intrinsics_from_realsense
from capture.cameras.realsense_source import ConnectedCamera, Recording, driver_errors
from capture.cameras.settings import RealSenseSettings
from capture.errors import CameraError, CameraLost, CameraSilent

SETTLED = 5  # framesets that were exposed before the controls were fixed, at most

# What the colour sensor sets by itself unless told not to: its automatic, its value, and what a frame says of it.
CONTROLS = {
    "exposure": (rs.option.enable_auto_exposure, rs.option.exposure, rs.frame_metadata_value.actual_exposure),
    "white_balance": (
        rs.option.enable_auto_white_balance, rs.option.white_balance, rs.frame_metadata_value.white_balance
    ),
}  # fmt: skip

log = logging.getLogger(__name__)


class RealSense(Camera):
    """Frames are a camera's own, or those of a recording, one after the other as they are asked for."""

    kind = RealSenseSettings.kind

    def __init__(self, settings: RealSenseSettings) -> None:
        self.serial = settings.serial
        self._settings = settings
        self._source = Recording(settings.file) if settings.file else ConnectedCamera(settings)
        self._intrinsics: Intrinsics | None = None
        self._opened = ExitStack()
        self._fixed = {name: getattr(settings, name) for name in CONTROLS if getattr(settings, name) is not None}

    def __enter__(self) -> RealSense:
        self._align = rs.align(rs.stream.color)
        self._source.open()
        self._opened.callback(self._source.close)
        try:
            with driver_errors(CameraError, f"{self._source.name}: cannot be set up"):
                self._set_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _set_up(self) -> None:
        device = self._source.profile.get_device()
        color = self._source.profile.get_stream(rs.stream.color).as_video_stream_profile()
        self.serial, self._period = device.get_info(rs.camera_info.serial_number), 1 / color.fps()
        self._intrinsics = intrinsics_from_realsense(color.get_intrinsics())
        if not self._settings.file:
            self._hold_still(device.first_color_sensor())

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    @property
    def intrinsics(self) -> Intrinsics | None:
        return self._intrinsics

    def frame_after(self, stamp: float, timeout: float) -> Frame:
        with driver_errors(CameraLost, f"{self._source.name}: fails"):
            return self._frame_after(stamp, timeout)

    def _frame_after(self, stamp: float, timeout: float) -> Frame:
        deadline, problem = time.monotonic() + timeout, ""
        while (left := deadline - time.monotonic()) > 0:
            try:
                frames = self._source.next(left)
            except CameraLost as lost:
                raise CameraLost(f"{lost}; before that, {problem}" if problem else str(lost)) from lost
            if frames is None:
                break
            if trouble := _trouble(frames, self._period):
                problem = trouble
                continue
            taken = self._source.stamp(frames.get_color_frame())
            if taken > stamp:
                return self._frame(frames, taken)
            problem = f"the newest was exposed {stamp - taken:.2f} s before the asked time"
        if not problem:
            raise self._silence(timeout)
        raise CameraError(f"{self._source.name}: no frame within {timeout:g} s: {problem}")

    def _silence(self, seconds: float) -> CameraSilent:
        self._source.hangs = True
        return CameraSilent(f"{self._source.name}: no frame within {seconds:g} s: plug it into USB 3")

    def _hold_still(self, sensor: rs.color_sensor) -> None:
        """Let the camera's automatics settle, then fix them; those of an earlier opening stay as they were."""
        for name, (automatic, _, _) in CONTROLS.items():
            if name not in self._fixed and sensor.supports(automatic):
                sensor.set_option(automatic, 1)
        color = self._discard(self._settings.warm_up).get_color_frame()
        for name, (automatic, value, metadata) in CONTROLS.items():
            if not (sensor.supports(automatic) and sensor.supports(value)):
                log.warning("%s: %s cannot be fixed, and may change by itself", self._source.name, name)
                continue
            if name not in self._fixed:
                reached = color.supports_frame_metadata(metadata)
                self._fixed[name] = color.get_frame_metadata(metadata) if reached else sensor.get_option(value)
            sensor.set_option(automatic, 0)
            sensor.set_option(value, self._fixed[name])
        self._discard(SETTLED * self._period)

    def _discard(self, seconds: float) -> rs.composite_frame:
        """Leave out the framesets of some time, and return the last, with a colour frame."""
        deadline, last = time.monotonic() + seconds, None
        while last is None or time.monotonic() < deadline:
            frames = self._source.next(self._settings.startup)
            if frames is None:
                raise self._silence(self._settings.startup)
            last = frames if frames.get_color_frame() else last
        return last

    def _frame(self, frames: rs.composite_frame, stamp: float) -> Frame:
        aligned = self._align.process(frames)
        color, depth = aligned.get_color_frame(), aligned.get_depth_frame()
        image = np.array(color.get_data())  # copies: the library uses its buffers again
        form = color.get_profile().format()
        if form == rs.format.bgr8:
            image = np.ascontiguousarray(image[..., ::-1])
        elif form != rs.format.rgb8:
            raise CameraError(
                f"{self._source.name}: colour of format {form.name} is not taken: record it as rgb8 or bgr8"
            )
        metres = np.asarray(depth.get_data()).astype(np.float32) * np.float32(depth.get_units())
        return Frame(image, stamp, metres)


def _trouble(frames: rs.composite_frame, period: float) -> str | None:
    """Why a frameset cannot be used."""
    color, depth = frames.get_color_frame(), frames.get_depth_frame()
    if not color or not depth:  # usual for the first ones
        return f"{'depth' if color else 'colour'} is missing: plug it into USB 3, or lower the frame rate"
    apart = (depth.get_timestamp() - color.get_timestamp()) / 1000
    if abs(apart) > period / 2:
        return f"depth and colour are out of step by {apart:+.3f} s: plug it into USB 3, or lower the frame rate"
    return None
