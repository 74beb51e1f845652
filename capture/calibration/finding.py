"""A calibration by what a user calls it."""

from __future__ import annotations

from pathlib import Path

from capture.calibration.calibration import Calibration, load_calibration
from capture.simulation.true_calibration import NAME, true_calibration


def find_calibration(name_or_file: str) -> Calibration:
    """The calibration in a file; `simulated`: that of the simulated rig, which is known.

    Raises:
        CalibrationError: see load_calibration.
    """
    return true_calibration() if name_or_file == NAME else load_calibration(Path(name_or_file))
