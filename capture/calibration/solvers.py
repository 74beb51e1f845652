"""The established hand-eye solvers, as a start for the refinement and a check of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from datasets.camera import rigid
from datasets.poses import inverse

HAND_EYE_METHODS = {
    "Tsai": cv2.CALIB_HAND_EYE_TSAI,
    "Park": cv2.CALIB_HAND_EYE_PARK,
    "Daniilidis": cv2.CALIB_HAND_EYE_DANIILIDIS,
}


def solve_all(T_base_tool: np.ndarray, T_camera_board: np.ndarray) -> dict[str, np.ndarray]:
    """T_tool_camera by each solver: Tsai, Park, Daniilidis (AX = XB) and Shah (robot-world, AX = ZB).

    Args:
        T_base_tool, T_camera_board: float64 [N,4,4], row i of both from the same view; N >= 3.

    Returns:
        Only those that gave a pose; a solver that fails on these views is left out.
    """
    solvers: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
        name: partial(_hand_eye, method=method) for name, method in HAND_EYE_METHODS.items()
    }
    solvers["Shah"] = _robot_world
    solutions = {}
    for name, solver in solvers.items():
        try:
            solution = solver(T_base_tool, T_camera_board)
        except cv2.error:  # OpenCV's checks and its linear algebra fail on some degenerate sets
            continue
        if _is_pose(solution):
            solutions[name] = rigid(Rotation.from_matrix(solution[:3, :3]).as_matrix(), solution[:3, 3])
    return solutions


def _hand_eye(T_base_tool: np.ndarray, T_camera_board: np.ndarray, method: int) -> np.ndarray:
    rotation, translation = cv2.calibrateHandEye(*_split(T_base_tool), *_split(T_camera_board), method=method)
    return rigid(rotation, translation[:, 0])


def _robot_world(T_base_tool: np.ndarray, T_camera_board: np.ndarray) -> np.ndarray:
    T_tool_base = np.array([inverse(T) for T in T_base_tool])
    _, _, rotation, translation = cv2.calibrateRobotWorldHandEye(
        *_split(T_camera_board), *_split(T_tool_base), method=cv2.CALIB_ROBOT_WORLD_HAND_EYE_SHAH
    )
    return inverse(rigid(rotation, translation[:, 0]))


def _split(poses: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    return [T[:3, :3] for T in poses], [T[:3, 3] for T in poses]


def _is_pose(T: np.ndarray) -> bool:
    rotation = T[:3, :3]
    orthogonal = np.isfinite(T).all() and np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3)
    return bool(orthogonal and np.linalg.det(rotation) > 0)  # from contradictory views some give a reflection
