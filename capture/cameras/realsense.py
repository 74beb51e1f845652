"""An Intel RealSense by pyrealsense2: colour, and depth aligned to it; or a recording of one in its place."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
import pyrealsense2 as rs

from capture.cameras.camera import Camera, Frame, Intrinsics
from capture.cameras.realsense_lens import intrinsics_from_realsense
from capture.cameras.settings import RealSenseSettings
from capture.errors import CameraError, CameraLost

GLANCE = 0.3  # seconds without a frame, after which to see whether the camera is still there
BEGIN = 1.5  # seconds after which a recording that plays nothing is opened anew
ENDING = 0.1  # seconds that a recording's threads are given to end
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
    """A recording plays one frame at a time, as they are asked for; each is stamped when it is taken from the file."""

    kind = RealSenseSettings.kind

    def __init__(self, settings: RealSenseSettings) -> None:
        self.serial = settings.serial
        self._settings = settings
        self._name = settings.file or f"RealSense {settings.serial}".strip()
        self._intrinsics: Intrinsics | None = None
        self._opened = ExitStack()
        self._fixed = {name: getattr(settings, name) for name in CONTROLS if getattr(settings, name) is not None}

    def __enter__(self) -> RealSense:
        self._context, self._align = rs.context(), rs.align(rs.stream.color)
        self._start()
        self._opened.callback(self._stop)
        try:
            self.serial = self._profile.get_device().get_info(rs.camera_info.serial_number)
            color = self._profile.get_stream(rs.stream.color).as_video_stream_profile()
            self._period = 1 / color.fps()
            self._intrinsics = intrinsics_from_realsense(color.get_intrinsics())
            if not self._settings.file:
                self._hold_still(self._profile.get_device().first_color_sensor())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def _start(self) -> None:
        self._pipeline = rs.pipeline(self._context)
        config = self._recording() if self._settings.file else self._device()
        self._started, self._has_played = time.monotonic(), False
        try:
            self._profile = self._pipeline.start(config)
        except RuntimeError as error:
            raise CameraError(f"{self._name}: cannot be started: {_first_line(error)}") from error

    def _stop(self) -> None:
        with suppress(RuntimeError):  # it was unplugged
            self._pipeline.stop()
        if self._settings.file:
            time.sleep(ENDING)  # a device that is destroyed before its threads end takes the process with it
        self._profile = None

    @property
    def intrinsics(self) -> Intrinsics | None:
        return self._intrinsics

    def frame_after(self, stamp: float, timeout: float) -> Frame:
        deadline, problem = time.monotonic() + timeout, "it delivers none"
        while (left := deadline - time.monotonic()) > 0:
            try:
                frames = self._next(left)
            except CameraLost as lost:
                raise CameraLost(f"{lost}; before that, {problem}") from lost
            if frames is None:
                break
            if trouble := _trouble(frames, self._period):
                problem = trouble
                continue
            taken = self._stamp(frames.get_color_frame())
            if taken > stamp:
                return self._frame(frames, taken)
            problem = f"the newest was exposed {stamp - taken:.2f} s before the asked time"
        raise CameraError(f"{self._name}: no frame within {timeout:g} s: {problem}")

    def _recording(self) -> rs.config:
        if not Path(self._settings.file).is_file():
            raise CameraError(f"{self._settings.file}: no such recording")
        config = rs.config()
        config.enable_device_from_file(self._settings.file, repeat_playback=False)
        try:
            playback = config.resolve(rs.pipeline_wrapper(self._pipeline)).get_device().as_playback()
        except RuntimeError as error:
            raise CameraError(f"{self._settings.file}: cannot be played: {_first_line(error)}") from error
        playback.set_real_time(False)  # waits for us, so that no frame is left out
        return config

    def _device(self) -> rs.config:
        """Wait for the camera to be there, since one that was unplugged takes seconds to come back."""
        settings, deadline = self._settings, time.monotonic() + self._settings.startup
        while self.serial not in (there := self._serials()) and not (len(there) == 1 and not self.serial):
            if time.monotonic() > deadline:
                wanted = f"with serial {self.serial} " if self.serial else ""
                raise CameraError(
                    f"no RealSense {wanted}to use; there are: {', '.join(there) or 'none'}: plug it into USB 3, and "
                    "name its serial in the camera's file where there are several"
                )
            time.sleep(0.2)
        config = rs.config()
        config.enable_device(self.serial or there[0])
        size = settings.width, settings.height
        config.enable_stream(rs.stream.color, *size, rs.format.rgb8, settings.fps)
        config.enable_stream(rs.stream.depth, *size, rs.format.z16, settings.fps)
        return config

    def _serials(self) -> list[str]:
        return [device.get_info(rs.camera_info.serial_number) for device in self._context.query_devices()]

    def _hold_still(self, sensor: rs.color_sensor) -> None:
        """Let the camera's automatics settle, then fix them; those of an earlier opening stay as they were."""
        for name, (automatic, _, _) in CONTROLS.items():
            if name not in self._fixed and sensor.supports(automatic):
                sensor.set_option(automatic, 1)
        color = self._discard(self._settings.warm_up).get_color_frame()
        for name, (automatic, value, metadata) in CONTROLS.items():
            if not (sensor.supports(automatic) and sensor.supports(value)):
                log.warning("%s: %s cannot be fixed, and may change by itself", self._name, name)
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
            frames = self._next(self._settings.startup)
            if frames is None:
                raise CameraError(f"{self._name}: no frame within {self._settings.startup:g} s: plug it into USB 3")
            last = frames if frames.get_color_frame() else last
        return last

    def _next(self, timeout: float) -> rs.composite_frame | None:
        """The next frameset; None where none came in time. Raises CameraLost."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            try:
                came, frames = self._pipeline.try_wait_for_frames(int(1000 * min(left, GLANCE)) + 1)
            except RuntimeError as error:
                raise CameraLost(f"{self._name}: {_first_line(error)}") from error
            if came:
                self._has_played = True
                return frames
            self._refuse_absence()
        return None

    def _refuse_absence(self) -> None:
        if self._settings.file:
            playback = self._profile.get_device().as_playback()
            stopped = playback.current_status() == rs.playback_status.stopped
            if stopped and self._has_played:
                raise CameraLost(f"{self._name}: the recording has ended")
            # librealsense also says stopped until its reading thread has begun, which sometimes it never does
            self._has_played |= not stopped
            if not self._has_played and time.monotonic() > self._started + BEGIN:
                self._stop()
                self._start()
        elif self.serial not in self._serials():
            raise CameraLost(f"{self._name}: is gone: unplugged? Plug it in, and go on")

    def _stamp(self, color: rs.video_frame) -> float:
        """When a frame was exposed, in Unix seconds."""
        if self._settings.file:
            return time.time()
        return unix_seconds(color)

    def _frame(self, frames: rs.composite_frame, stamp: float) -> Frame:
        aligned = self._align.process(frames)
        color, depth = aligned.get_color_frame(), aligned.get_depth_frame()
        image = np.array(color.get_data())  # copies: the library uses its buffers again
        form = color.get_profile().format()
        if form == rs.format.bgr8:
            image = np.ascontiguousarray(image[..., ::-1])
        elif form != rs.format.rgb8:
            raise CameraError(f"{self._name}: colour of format {form.name} is not taken: record it as rgb8 or bgr8")
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


def unix_seconds(frame: rs.frame) -> float:
    """When a frame was exposed, in Unix seconds.

    Raises:
        CameraError: the camera's own clock stamped it, which says nothing of this computer's.
    """
    if frame.get_frame_timestamp_domain() == rs.timestamp_domain.hardware_clock:
        raise CameraError(
            "the RealSense stamps by its own clock: its option global_time_enabled must be on (realsense-viewer), or "
            "its firmware brought up to date"
        )
    return frame.get_timestamp() / 1000


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
