"""What the simulated rig truly is: what tests, and calibrations made in simulation, are held against."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

VERTICAL_FOV = np.deg2rad(42)  # of the wrist camera; the synthetic training scenes have the same


def _pose(translation: list[float], rotation: Rotation) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation.as_matrix(), translation
    return pose


# Where the arm stands: base_link in the frame world, whose origin is the middle of the table's work area.
T_WORLD_BASE = _pose([-0.75, 0.0, 0.0], Rotation.identity())

# Where the camera is on its mount: its optical frame in tool0. Screwed on a little askew, as cameras are.
T_TOOL_CAMERA = _pose([0.056, -0.003, 0.047], Rotation.from_euler("ZYX", [92.1, 1.7, -10.6], degrees=True))
