"""How well the views of a hand-eye calibration agree with one another, and which do not belong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capture.calibration.fitting import Fit, fit_without_outliers
from capture.calibration.poses import difference, mean_pose
from capture.calibration.solvers import solve_all
from capture.errors import CalibrationError
from datasets.poses import inverse

OUTLIER = 4.0  # times the median disagreement of the views
OUTLIER_FLOOR = (0.6, 6.0)  # degrees, millimetres; what a far or half-seen board alone can make of a view


@dataclass(frozen=True)
class Start:
    """An answer to begin from, float64 [4,4] each; `solutions` are what all solvers said of T_tool_camera."""

    T_tool_camera: np.ndarray
    T_base_board: np.ndarray
    solutions: dict[str, np.ndarray]


def agreeing_views(T_base_tool: np.ndarray, T_camera_board: np.ndarray) -> Fit[Start]:
    """The answer of those views that agree; the errors of the others are degrees and millimetres.

    Args:
        T_base_tool, T_camera_board: float64 [N,4,4], row i of both from the same view; N >= 3.

    Raises:
        CalibrationError: no solver finds an answer.
    """

    def fit(kept: list[int]) -> tuple[Start, np.ndarray]:
        tools, boards = T_base_tool[kept], T_camera_board[kept]
        start = _start(tools, boards)
        return start, disagreement(tools, boards, start.T_tool_camera, start.T_base_board)

    return fit_without_outliers(len(T_base_tool), fit, OUTLIER, OUTLIER_FLOOR)


def disagreement(
    T_base_tool: np.ndarray, T_camera_board: np.ndarray, T_tool_camera: np.ndarray, T_base_board: np.ndarray
) -> np.ndarray:
    """How far from where it was each tool would have to be for its picture to fit; float64 [N,2], degrees and mm."""
    needed = [T_base_board @ inverse(T) @ inverse(T_tool_camera) for T in T_camera_board]
    return np.array([difference(T, told) for T, told in zip(needed, T_base_tool, strict=True)])


def _start(T_base_tool: np.ndarray, T_camera_board: np.ndarray) -> Start:
    """The answer of that solver by which most views put the board at the same place."""
    solutions = solve_all(T_base_tool, T_camera_board)
    if not solutions:
        raise CalibrationError("no hand-eye solver finds an answer from these views: take new ones, more varied")
    boards = {name: T_base_tool @ solution @ T_camera_board for name, solution in solutions.items()}
    best = min(boards, key=lambda name: np.median(np.linalg.norm(boards[name] - mean_pose(boards[name]), axis=(1, 2))))
    return Start(solutions[best], mean_pose(boards[best]), solutions)
