"""The simulated rig's calibration, which need not be measured."""

from __future__ import annotations

from datetime import UTC, datetime

from capture.calibration.calibration import Calibration, HandEye
from capture.calibration.verdict import Verdict
from capture.simulation.truth import T_TOOL_CAMERA

NAME = "simulated"  # of the robot's profile, and the camera's serial number


def true_calibration() -> Calibration:
    """What `lds capture calibrate` would find without any error; the camera tells its lens itself."""
    made = datetime.now(UTC).replace(microsecond=0)
    verdict = Verdict("good", ("the truth of the simulation",))
    hand_eye = HandEye(
        T_TOOL_CAMERA, robot=NAME, camera=NAME, made=made, rms=0.0, solver_deg=0.0, solver_mm=0.0,
        leave_one_out_deg=0.0, leave_one_out_mm=0.0, views=0, verdict=verdict,
    )  # fmt: skip
    return Calibration(hand_eye=hand_eye)
