"""A calibration by what a user calls it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from capture.calibration.calibration import Calibration, HandEye, hand_eye_doubts, hand_eye_faults
from capture.calibration.calibration_file import load_calibration
from capture.errors import CalibrationError
from capture.simulation.true_calibration import NAME, true_calibration


def find_calibration(name_or_file: str) -> Calibration:
    """The calibration in a file; `simulated`: that of the simulated rig, which is known.

    Raises:
        CalibrationError: see load_calibration.
    """
    return true_calibration() if name_or_file == NAME else load_calibration(Path(name_or_file))


def find_hand_eye(name_or_file: str, robot: str, doubt: Callable[[str], object]) -> HandEye:
    """The hand-eye part of such a calibration, for a robot that is named as in its profile.

    Args:
        doubt: is told in one line where the calibration may no longer hold.

    Raises:
        CalibrationError: it has none, is bad, or of another robot; or see load_calibration.
    """
    calibration = find_calibration(name_or_file)
    hand_eye = calibration.hand_eye
    if hand_eye is None:
        raise CalibrationError(f"{name_or_file}: has no hand-eye part: make it by `lds capture calibrate handeye`")
    if faults := hand_eye_faults(hand_eye, robot):
        raise CalibrationError(f"{name_or_file}: {'; '.join(faults)}")
    if doubts := hand_eye_doubts(calibration, time.time()):
        doubt(f"{name_or_file}: {'; '.join(doubts)}")
    return hand_eye
