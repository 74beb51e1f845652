"""What the simulated rig truly is: what tests, and calibrations made in simulation, are held against."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.transform import Rotation

from capture.calibration.board import BOARD
from capture.cameras.camera import Intrinsics
from datasets.camera import pinhole
from lds_models.presets import presets_folder

URDF = presets_folder().parent / "robots" / "simulated.urdf"
VERTICAL_FOV = np.deg2rad(42)  # of the wrist camera; the synthetic training scenes have the same


def _pose(translation: ArrayLike, rotation: Rotation) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation.as_matrix(), translation
    return pose


# Where the arm stands: base_link in the frame world, whose origin is the middle of the table's work area.
T_WORLD_BASE = _pose([-0.75, 0.0, 0.0], Rotation.identity())

# Where the camera is on its mount: its optical frame in tool0. Screwed on a little askew, as cameras are.
T_TOOL_CAMERA = _pose([0.056, -0.003, 0.047], Rotation.from_euler("ZYX", [92.1, 1.7, -10.6], degrees=True))

# Where the calibration board lies while it is shown: a little turned and tilted, its middle over the world's origin.
_BOARD_TURN = Rotation.from_euler("ZYX", [-14.0, 1.5, 181.0], degrees=True)
T_WORLD_BOARD = _pose([0.0, 0.0, 0.01] - _BOARD_TURN.apply([BOARD.width / 2, BOARD.height / 2, 0.0]), _BOARD_TURN)

# Joint angles (rad) at the start: the camera sees the work area from above.
START = np.array([0.0, 0.35, 2.1, 0.0, 0.7, 0.0])


def lens(width: int, height: int) -> Intrinsics:
    """Of the wrist camera, for pictures of width x height pixels."""
    return Intrinsics(pinhole(height, width, VERTICAL_FOV), np.zeros(5), width, height)
