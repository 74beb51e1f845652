"""The webcam: with files in place of the device, and with a device of our own behind cv2.VideoCapture."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from capture.cameras import v4l2, webcam
from capture.cameras.settings import WebcamSettings
from capture.cameras.v4l2 import usb_serial
from capture.cameras.webcam import Webcam
from capture.errors import CameraError, CameraLost, CameraSilent

HEIGHT, WIDTH, PATIENCE = 24, 32, 30.0


@pytest.fixture
def sequence(tmp_path: Path) -> str:
    """60 pictures, red by their number, lossless."""
    for i in range(60):
        picture = np.full((HEIGHT, WIDTH, 3), (0, 0, 4 * i), np.uint8)
        cv2.imwrite(str(tmp_path / f"{i:04d}.png"), picture)
    return str(tmp_path / "%04d.png")


class Device:
    """A V4L2 webcam as OpenCV shows it. Its automatics reach a value slowly; it may be unplugged.

    While `answers` is not set, reading from it blocks.
    """

    READ_ONLY = {cv2.CAP_PROP_BUFFERSIZE}

    def __init__(self) -> None:
        self.values: dict[int, float] = {
            cv2.CAP_PROP_AUTO_EXPOSURE: 3, cv2.CAP_PROP_EXPOSURE: 10,
            cv2.CAP_PROP_AUTO_WB: 1, cv2.CAP_PROP_WB_TEMPERATURE: 2000,
        }  # fmt: skip
        self.is_plugged = True
        self.answers = threading.Event()
        self.answers.set()
        self.is_open = False
        self.count = 0

    def __call__(self, path: str, backend: int) -> Device:
        assert (path, backend) == ("/dev/null", cv2.CAP_V4L2)
        self.is_open = True
        return self

    def set(self, key: int, value: float) -> bool:
        if key in (cv2.CAP_PROP_AUTOFOCUS, cv2.CAP_PROP_FOCUS):  # its focus is fixed
            return False
        self.values[key] = value
        return True

    def get(self, key: int) -> float:
        return self.values.get(key, -1.0)

    def grab(self) -> bool:
        time.sleep(0.002)
        self.answers.wait()
        self.count += 1
        if self.values[cv2.CAP_PROP_AUTO_EXPOSURE] == 3:
            self.values[cv2.CAP_PROP_EXPOSURE] = min(156, self.values[cv2.CAP_PROP_EXPOSURE] + 20)
        if self.values[cv2.CAP_PROP_AUTO_WB]:
            self.values[cv2.CAP_PROP_WB_TEMPERATURE] = 4600
        return self.is_plugged

    def read(self) -> tuple[bool, np.ndarray | None]:
        if not self.grab():
            return False, None
        shape = int(self.values[cv2.CAP_PROP_FRAME_HEIGHT]), int(self.values[cv2.CAP_PROP_FRAME_WIDTH]), 3
        return True, np.full(shape, (self.count % 250, 0, 200), np.uint8)

    def release(self) -> None:
        self.is_open = False


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    made = Device()
    monkeypatch.setattr(cv2, "VideoCapture", made)
    return made


def settings(**others: object) -> WebcamSettings:
    return WebcamSettings(**{"device": "/dev/null", "width": WIDTH, "height": HEIGHT, "warm_up": 0.1, **others})


def test_a_sequence_of_pictures_plays_as_a_camera(sequence: str) -> None:
    with Webcam(WebcamSettings(device=sequence, fps=100, latency=0)) as camera:
        asked = time.time()
        frames = [camera.frame_after(asked, PATIENCE)]
        for _ in range(5):
            frames.append(camera.frame_after(frames[-1].stamp, PATIENCE))
    assert frames[0].image.shape == (HEIGHT, WIDTH, 3)
    assert not frames[0].image[..., 1:].any()  # RGB: red comes first
    assert frames[0].stamp > asked
    assert np.all(np.diff([frame.stamp for frame in frames]) > 0)
    assert np.all(np.diff([int(frame.image[0, 0, 0]) for frame in frames]) >= 4)


def test_a_sequence_that_is_over_is_a_lost_camera_that_can_be_opened_again(sequence: str) -> None:
    camera = Webcam(WebcamSettings(device=sequence, fps=1000, latency=0))
    for _ in range(2):
        with camera:
            with pytest.raises(CameraLost, match="has ended"):
                camera.frame_after(time.time() + 3600, PATIENCE)


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ("/dev/no_such_video", "/dev/no_such_video: no such camera; is it plugged in"),
        ("99", "/dev/video99: no such camera"),
        ("no_such_clip.mp4", "no_such_clip.mp4: no such file"),
        ("none/%04d.png", "none/%04d.png: is no video or sequence"),
        (__file__, "is no video or sequence"),
    ],
)
def test_what_is_no_camera_is_told(device: str, words: str) -> None:
    with pytest.raises(CameraError) as error:
        Webcam(WebcamSettings(device=device)).__enter__()
    assert words in str(error.value)


def test_automatics_settle_and_are_then_fixed_where_they_are(device: Device) -> None:
    with Webcam(settings()):
        assert device.values[cv2.CAP_PROP_AUTO_EXPOSURE] == 1
        assert device.values[cv2.CAP_PROP_EXPOSURE] == 156
        assert device.values[cv2.CAP_PROP_AUTO_WB] == 0
        assert device.values[cv2.CAP_PROP_WB_TEMPERATURE] == 4600


def test_a_given_exposure_is_kept(device: Device) -> None:
    with Webcam(settings(exposure=80)):
        assert device.values[cv2.CAP_PROP_AUTO_EXPOSURE] == 1
        assert device.values[cv2.CAP_PROP_EXPOSURE] == 80


def test_what_the_driver_does_not_fix_is_said_once(device: Device, caplog: pytest.LogCaptureFixture) -> None:
    camera = Webcam(settings())
    with caplog.at_level(logging.INFO, logger=webcam.__name__):
        for _ in range(2):
            with camera:
                pass
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == ["/dev/null: the driver does not fix focus, which may change by itself"]


def test_a_frame_was_exposed_after_the_asked_time_and_not_read_from_a_buffer(device: Device) -> None:
    with Webcam(settings(latency=0.05)) as camera:
        asked, count = time.time(), device.count
        frame = camera.frame_after(asked, PATIENCE)
        came = time.time()
    assert asked < frame.stamp <= came - 0.05
    assert device.count > count


def test_an_unplugged_camera_is_lost_and_works_again_with_the_same_exposure(device: Device) -> None:
    camera = Webcam(settings())
    with camera:
        camera.frame_after(time.time(), PATIENCE)
        device.is_plugged = False
        with pytest.raises(CameraLost, match="/dev/null: is gone: unplugged"):
            camera.frame_after(time.time() + 3600, PATIENCE)
    device.is_plugged = True
    device.values[cv2.CAP_PROP_EXPOSURE] = 10
    with camera:
        asked = time.time()
        assert camera.frame_after(asked, PATIENCE).stamp > asked
        assert device.values[cv2.CAP_PROP_EXPOSURE] == 156
    assert not device.is_open


def test_a_camera_that_blocks_is_silent_and_is_given_back_once_its_read_returns(device: Device) -> None:
    camera = Webcam(settings())
    with camera:
        device.answers.clear()
        with pytest.raises(CameraSilent, match="/dev/null: no frame within 0.2 s: it delivers none"):
            camera.frame_after(time.time() + 0.1, 0.2)
    assert device.is_open
    device.answers.set()
    deadline = time.monotonic() + PATIENCE
    while device.is_open and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not device.is_open
    with camera:
        assert camera.frame_after(time.time(), PATIENCE).image.shape == (HEIGHT, WIDTH, 3)


def test_a_camera_that_another_program_holds_is_told(device: Device) -> None:
    device.is_plugged = False
    with pytest.raises(CameraError, match="does another program use it .`fuser /dev/null`"):
        Webcam(settings()).__enter__()
    assert not device.is_open


def test_a_size_that_the_camera_does_not_have_is_told(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "read", lambda: (True, np.zeros((480, 640, 3), np.uint8)))
    with pytest.raises(CameraError, match="gives 640 x 480 pixels, not 32 x 24.*v4l2-ctl"):
        Webcam(settings()).__enter__()


def test_a_device_that_may_not_be_used_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(v4l2.os, "access", lambda *_: False)
    with pytest.raises(CameraError, match="may not be used by you.*video"):
        Webcam(settings()).__enter__()


def test_a_frame_that_does_not_come_in_time_is_told(device: Device) -> None:
    with Webcam(settings()) as camera:
        with pytest.raises(CameraError, match="no frame within 0.05 s.*before the asked time"):
            camera.frame_after(time.time() + 3600, 0.05)


def test_the_serial_number_is_that_of_the_usb_device(tmp_path: Path) -> None:
    usb = tmp_path / "devices" / "usb1" / "1-2"
    interface = usb / "1-2:1.0"
    interface.mkdir(parents=True)
    (usb / "idVendor").write_text("046d\n")
    (usb / "serial").write_text("8F23A1\n")
    video = tmp_path / "class" / "video4linux" / "video3"
    video.mkdir(parents=True)
    (video / "device").symlink_to(interface)
    assert usb_serial(Path("/dev/video3"), tmp_path) == "8F23A1"
    assert usb_serial(Path("/dev/video4"), tmp_path) == ""
    (usb / "serial").unlink()
    assert usb_serial(Path("/dev/video3"), tmp_path) == ""
