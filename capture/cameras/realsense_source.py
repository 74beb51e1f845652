"""Where the framesets of a RealSense come from: the camera itself, or a recording of one."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyrealsense2 as rs

from capture.cameras.settings import RealSenseSettings
from capture.errors import CameraError, CameraLost

GLANCE = 0.3  # seconds without a frame, after which to see whether the source is still there
BEGIN = 1.5  # seconds after which a recording that plays nothing is opened anew
LEAVE = 3.0  # seconds within which a camera that is reset leaves the bus


class Source(ABC):
    """A pipeline of librealsense.

    Attributes:
        name: of the camera or the file, for messages.
        profile: what was opened; None while it is closed.
        hangs: set by whoever waited for frames in vain: a camera is reset when it is opened again.
    """

    name: str
    profile: rs.pipeline_profile
    hangs = False
    _ending = 0.0  # seconds that threads are given to end

    def open(self) -> None:
        """Raises CameraError where there is nothing to open."""
        with driver_errors(CameraError, f"{self.name}: cannot be started"):
            self._context = rs.context()
            self._start()

    def close(self) -> None:
        with suppress(RuntimeError):  # it was unplugged
            self._pipeline.stop()
        time.sleep(self._ending)
        self.profile = None

    def next(self, timeout: float) -> rs.composite_frame | None:
        """The next frameset; None where none came within `timeout` seconds. Raises CameraLost."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            with driver_errors(CameraLost, f"{self.name}: fails"):
                came, frames = self._pipeline.try_wait_for_frames(int(1000 * min(left, GLANCE)) + 1)
                if came:
                    self.hangs = False
                    return frames
                self._look_after_it()
        return None

    @abstractmethod
    def stamp(self, color: rs.video_frame) -> float:
        """When a frame was exposed, in Unix seconds. Raises CameraError where that is not known."""

    @abstractmethod
    def _config(self) -> rs.config:
        """What to open. Raises CameraError where it is not there."""

    @abstractmethod
    def _look_after_it(self) -> None:
        """Called while no frame comes. Raises CameraLost where none will come any more."""

    def _start(self) -> None:
        self._pipeline = rs.pipeline(self._context)
        self.profile = self._pipeline.start(self._config())


class ConnectedCamera(Source):
    """A camera. Once it was opened, it is this very one that is opened again."""

    def __init__(self, settings: RealSenseSettings) -> None:
        self.name = f"RealSense {settings.serial}".strip()
        self._settings, self._serial = settings, settings.serial

    def stamp(self, color: rs.video_frame) -> float:
        return unix_seconds(color)

    def _start(self) -> None:
        if self.hangs:
            self.hangs = False
            self._reset()
        super()._start()

    def _reset(self) -> None:
        """As if it were plugged out and in again; it is back some seconds later."""
        for device in self._context.query_devices():
            if device.get_info(rs.camera_info.serial_number) == self._serial:
                device.hardware_reset()
        deadline = time.monotonic() + LEAVE
        while self._serial in self._serials() and time.monotonic() < deadline:
            time.sleep(0.1)

    def _config(self) -> rs.config:
        """Wait for the camera to be there, since one that was unplugged takes seconds to come back."""
        settings, deadline = self._settings, time.monotonic() + self._settings.startup
        while self._serial not in (there := self._serials()) and not (len(there) == 1 and not self._serial):
            if time.monotonic() > deadline:
                wanted = f"with serial {self._serial} " if self._serial else ""
                raise CameraError(
                    f"no RealSense {wanted}to use; there are: {', '.join(there) or 'none'}: plug it into USB 3, and "
                    "name its serial in the camera's file where there are several"
                )
            time.sleep(0.2)
        self._serial = self._serial or there[0]
        config = rs.config()
        config.enable_device(self._serial)
        size = settings.width, settings.height
        config.enable_stream(rs.stream.color, *size, rs.format.rgb8, settings.fps)
        config.enable_stream(rs.stream.depth, *size, rs.format.z16, settings.fps)
        return config

    def _serials(self) -> list[str]:
        return [device.get_info(rs.camera_info.serial_number) for device in self._context.query_devices()]

    def _look_after_it(self) -> None:
        if self._serial not in self._serials():
            raise CameraLost(f"{self.name}: is gone: unplugged? Plug it in, and go on")


class Recording(Source):
    """A file that plays one frame at a time, as they are asked for; each is stamped when it is taken from the file."""

    _ending = 0.1  # a device that is destroyed before its threads end takes the process with it

    def __init__(self, file: str) -> None:
        self.name = file

    def next(self, timeout: float) -> rs.composite_frame | None:
        frames = super().next(timeout)
        self._has_played |= frames is not None
        return frames

    def stamp(self, color: rs.video_frame) -> float:
        return time.time()

    def _start(self) -> None:
        self._started, self._has_played = time.monotonic(), False
        super()._start()

    def _config(self) -> rs.config:
        if not Path(self.name).is_file():
            raise CameraError(f"{self.name}: no such recording")
        config = rs.config()
        config.enable_device_from_file(self.name, repeat_playback=False)
        with driver_errors(CameraError, f"{self.name}: cannot be played"):
            playback = config.resolve(rs.pipeline_wrapper(self._pipeline)).get_device().as_playback()
        playback.set_real_time(False)  # waits for us, so that no frame is left out
        return config

    def _look_after_it(self) -> None:
        stopped = self.profile.get_device().as_playback().current_status() == rs.playback_status.stopped
        if stopped and self._has_played:
            raise CameraLost(f"{self.name}: the recording has ended")
        # librealsense also says stopped until its reading thread has begun, which sometimes it never does
        self._has_played |= not stopped
        if not self._has_played and time.monotonic() > self._started + BEGIN:
            self.close()
            self._start()


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


@contextmanager
def driver_errors(kind: type[CameraError], what: str) -> Iterator[None]:
    """What librealsense raises, as an error of ours that begins with `what`."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise kind(f"{what}: {reason}") from error
