"""Video devices under Linux, through OpenCV: opening one, holding its automatics still, telling it from others."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import cv2

from capture.cameras.settings import WebcamSettings
from capture.errors import CameraError


@dataclass(frozen=True)
class Control:
    """What a camera sets by itself unless it is told not to: OpenCV's properties, and V4L2's values for on and off."""

    name: str
    automatic: int
    on: float
    off: float
    value: int


# V4L2's menu of auto exposure: 1 is manual, 3 aperture priority, which is all that UVC webcams have.
CONTROLS = (
    Control("exposure", cv2.CAP_PROP_AUTO_EXPOSURE, 3, 1, cv2.CAP_PROP_EXPOSURE),
    Control("focus", cv2.CAP_PROP_AUTOFOCUS, 1, 0, cv2.CAP_PROP_FOCUS),
    Control("white_balance", cv2.CAP_PROP_AUTO_WB, 1, 0, cv2.CAP_PROP_WB_TEMPERATURE),
)


def device_path(device: str) -> Path | None:
    """The device file that `device` (a number or a path) names; None where it names a file to play.

    Raises:
        CameraError: the device is not there, or may not be used.
    """
    path = Path(f"/dev/video{device}" if device.isdigit() else device)
    if Path("/dev") not in path.parents:
        return None
    if not path.exists():
        there = sorted(str(found) for found in (*Path("/dev/v4l/by-id").glob("*"), *Path("/dev").glob("video*")))
        raise CameraError(f"{path}: no such camera; is it plugged in? There are: {', '.join(there) or 'none'}")
    if not os.access(path, os.R_OK | os.W_OK):
        raise CameraError(f"{path}: may not be used by you: `sudo usermod -aG video $USER`, then log in again")
    return path


def open_device(path: Path, settings: WebcamSettings) -> cv2.VideoCapture:
    """Open a device at the size and rate of the settings, as MJPG, which fits through USB 2.

    Raises:
        CameraError: another program has it, or it has no such size.
    """
    capture = cv2.VideoCapture(str(path), cv2.CAP_V4L2)
    for key, value in (
        (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG")),
        (cv2.CAP_PROP_FRAME_WIDTH, settings.width),
        (cv2.CAP_PROP_FRAME_HEIGHT, settings.height),
        (cv2.CAP_PROP_FPS, settings.fps),
        (cv2.CAP_PROP_BUFFERSIZE, 1),
    ):
        capture.set(key, value)
    got, picture = capture.read()
    if not got:
        capture.release()
        raise CameraError(f"{path}: gives no picture; does another program use it (`fuser {path}`)? Plug it in again")
    height, width = picture.shape[:2]
    if (width, height) != (settings.width, settings.height):
        capture.release()
        raise CameraError(
            f"{path}: gives {width} x {height} pixels, not {settings.width} x {settings.height}: set a size that "
            f"`v4l2-ctl -d {path} --list-formats-ext` shows"
        )
    return capture


def set_control(capture: cv2.VideoCapture, control: Control, value: float | None) -> None:
    """Fix a control at a value; None: leave it to the camera for now."""
    if value is None:
        capture.set(control.automatic, control.on)
    else:
        capture.set(control.automatic, control.off)
        capture.set(control.value, value)


def lock_control(capture: cv2.VideoCapture, control: Control) -> float | None:
    """Fix a control at the value that it has now, and return it; None where the driver does not do that."""
    value = capture.get(control.value)
    set_control(capture, control, value)
    is_fixed = capture.get(control.automatic) == control.off and capture.get(control.value) == value
    return value if is_fixed and value >= 0 else None


def usb_serial(path: Path, sys: Path = Path("/sys")) -> str:
    """The serial number of the USB device behind a video device; empty where it has none."""
    interface = (sys / "class" / "video4linux" / path.resolve().name / "device").resolve()
    for folder in (interface, *interface.parents):
        if (folder / "idVendor").exists():
            serial = folder / "serial"
            return serial.read_text().strip() if serial.exists() else ""
    return ""
