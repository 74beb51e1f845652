"""What the simulated rig truly is: what tests, and calibrations made in simulation, are held against."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from capture.calibration.board import BOARD
from capture.cameras.camera import Intrinsics
from datasets.camera import pinhole, rigid
from lds_models.presets import config_folder

URDF = config_folder() / "robots" / "simulated.urdf"
VERTICAL_FOV = np.deg2rad(42)  # of the wrist camera; the synthetic training scenes have the same

# Where the arm stands: base_link in the frame world, whose origin is the middle of the table's work area.
T_WORLD_BASE = rigid(np.eye(3), [-0.75, 0.0, 0.0])

# Where the camera is on its mount: its optical frame in tool0. Screwed on a little askew, as cameras are.
_CAMERA_TURN = Rotation.from_euler("ZYX", [92.1, 1.7, -10.6], degrees=True)
T_TOOL_CAMERA = rigid(_CAMERA_TURN.as_matrix(), [0.056, -0.003, 0.047])

# Where the calibration board lies while it is shown: a little turned and tilted, its middle over the world's origin.
_BOARD_TURN = Rotation.from_euler("ZYX", [-14.0, 1.5, 181.0], degrees=True)
T_WORLD_BOARD = rigid(_BOARD_TURN.as_matrix(), [0.0, 0.0, 0.01] - _BOARD_TURN.apply(BOARD.middle))

# Joint angles (rad) at the start: the camera sees the work area from above.
START = np.array([0.0, 0.35, 2.1, 0.0, 0.7, 0.0])


def lens(width: int, height: int) -> Intrinsics:
    """Of the wrist camera, for pictures of width x height pixels."""
    return Intrinsics(pinhole(height, width, VERTICAL_FOV), np.zeros(5), width, height)
