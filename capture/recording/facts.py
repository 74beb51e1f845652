"""What every scene tells of the rig that recorded it."""

from __future__ import annotations

import time
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from capture.calibration.calibration import Calibration
from capture.cameras.camera import Camera
from capture.motion.robot_profile import RobotProfile


def rig_facts(
    profile: RobotProfile, calibration: Calibration, camera: Camera, T_tool_camera: np.ndarray, objections: list[str]
) -> dict[str, Any]:
    """Flat facts: text, numbers, lists of numbers.

    Args:
        T_tool_camera: float64 [4,4], the camera on the arm's mount.
        objections: what speaks against the calibration.
    """
    facts: dict[str, Any] = {
        "robot": profile.name,
        "camera": camera.kind,
        "camera_serial": camera.serial,
        "software": f"lds_scenes {_own_version()}",
        "calibration_digest": calibration.digest,
        "calibration_age_days": calibration.age_days(time.time()),
        "calibration_objections": "; ".join(objections),
        # So that poses can be put right should one of these turn out to be wrong
        "T_world_base": profile.T_world_base.ravel().tolist(),
        "T_tool_camera": T_tool_camera.ravel().tolist(),
    }
    if calibration.hand_eye is not None:
        facts["hand_eye_rms_px"] = calibration.hand_eye.rms
        facts["hand_eye_spread_mm"] = calibration.hand_eye.leave_one_out_mm
    return facts


def _own_version() -> str:
    try:
        return version("lds_scenes")
    except PackageNotFoundError:  # catkin installs no metadata for pip
        return "of an unknown version"
