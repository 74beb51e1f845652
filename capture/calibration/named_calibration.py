"""A calibration by what a user calls it."""

from __future__ import annotations

from pathlib import Path

from capture.calibration.calibration import Calibration, HandEye
from capture.calibration.calibration_file import load_calibration
from capture.errors import CalibrationError
from capture.simulation.true_calibration import NAME, true_calibration


def find_calibration(name_or_file: str) -> Calibration:
    """The calibration in a file; `simulated`: that of the simulated rig, which is known.

    Raises:
        CalibrationError: see load_calibration.
    """
    return true_calibration() if name_or_file == NAME else load_calibration(Path(name_or_file))


def find_hand_eye(name_or_file: str) -> HandEye:
    """The hand-eye part of such a calibration.

    Raises:
        CalibrationError: it has none; or see load_calibration.
    """
    hand_eye = find_calibration(name_or_file).hand_eye
    if hand_eye is None:
        raise CalibrationError(f"{name_or_file}: has no hand-eye part: make it by `lds capture calibrate handeye`")
    return hand_eye
