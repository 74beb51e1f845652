"""How well the views of a hand-eye calibration agree with one another, and which do not belong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capture.calibration.poses import difference, inverse, mean_pose
from capture.calibration.solvers import solve_all
from capture.errors import CalibrationError

MAX_DROPPED = 0.2  # of all views
OUTLIER = 4.0  # times the median disagreement of the views
OUTLIER_FLOOR = (0.6, 6.0)  # degrees, millimetres; what a far or half-seen board alone can make of a view


@dataclass(frozen=True)
class Start:
    """An answer to begin from, float64 [4,4] each; `solutions` are what all solvers said of T_tool_camera."""

    T_tool_camera: np.ndarray
    T_base_board: np.ndarray
    solutions: dict[str, np.ndarray]


@dataclass(frozen=True)
class Agreeing:
    """The views that agree.

    Attributes:
        kept: their indices, rising.
        dropped: index, degrees and millimetres of the others, in the order in which they were left out.
        more: whether some of those kept do not agree either, but too many would be gone without them.
        start: the answer of those kept.
    """

    kept: list[int]
    dropped: list[tuple[int, float, float]]
    more: bool
    start: Start


def agreeing_views(T_base_tool: np.ndarray, T_camera_board: np.ndarray, least: int) -> Agreeing:
    """Solve, leave out the view that agrees least, solve again, until all agree or too many would be gone.

    Args:
        T_base_tool, T_camera_board: float64 [N,4,4], row i of both from the same view; N >= 3.
        least: as many views are kept in any case.

    Raises:
        CalibrationError: no solver finds an answer.
    """
    kept, dropped = list(range(len(T_base_tool))), []
    while True:
        tools, boards = T_base_tool[kept], T_camera_board[kept]
        start = _start(tools, boards)
        errors = disagreement(tools, boards, start.T_tool_camera, start.T_base_board)
        excess = (errors / np.maximum(OUTLIER * np.median(errors, axis=0), OUTLIER_FLOOR)).max(1)
        worst = int(excess.argmax())
        too_many = len(dropped) + 1 > MAX_DROPPED * len(T_base_tool) or len(kept) <= least
        if excess[worst] <= 1 or too_many:
            return Agreeing(kept, dropped, bool(excess[worst] > 1), start)
        dropped.append((kept.pop(worst), *errors[worst]))


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
