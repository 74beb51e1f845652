"""The arm finds the board, and goes around it."""

from __future__ import annotations

import numpy as np

from capture.calibration.board import Board
from capture.calibration.board_viewpoints import AIM, plan_board_views
from capture.calibration.collecting import FRAME_TIMEOUT, SETTLE_TIMEOUT, Collector
from capture.calibration.poses import board_pose, pose
from capture.cameras.camera import Intrinsics
from capture.errors import CalibrationError
from capture.motion.planning import Planner
from capture.motion.view_planning import plan_views
from capture.motion.viewpoints import Pattern, TaughtPattern

SPARE = 1.5  # times as many poses as views are asked for, since some will not do
LENS_AIM = 0.07  # metres beside the board's middle: for a lens the board is to be in the picture's corners, too
SEARCH_VIEWS = 6


def drive_around_board(
    collector: Collector, planner: Planner, T_tool_camera: np.ndarray, views: int, for_lens: bool, seed: int = 0
) -> None:
    """Take views from all around the board, wherever in the middle of the work area it lies.

    Args:
        T_tool_camera: roughly where the camera is on the tool, float64 [4,4]; it only serves to aim.
        views: how many are wanted.
        for_lens: the board is to be all over the picture; otherwise it is to be seen whole.

    Raises:
        CalibrationError: the board is nowhere to be seen.
        MotionError: too few poses around it can be reached.
        Interrupted, CameraLost: see Collector.by_arm.
    """
    T_world_board = _find_board(collector, planner, T_tool_camera)
    goals = plan_board_views(
        planner, T_tool_camera, T_world_board, _middle(collector.board), _joints(collector),
        count=round(SPARE * views), seed=seed, aim=LENS_AIM if for_lens else AIM,
    )  # fmt: skip
    collector.by_arm(lambda goal: planner.plan(_joints(collector), goal), goals)


def drive_through_waypoints(collector: Collector, planner: Planner, waypoints: Pattern) -> None:
    """Take a view at each taught waypoint, in their order.

    Raises:
        MotionError: they are not of this arm, or one cannot be reached.
        Interrupted, CameraLost: see Collector.by_arm.
    """
    if not isinstance(waypoints, TaughtPattern):
        raise CalibrationError(f"viewpoints {waypoints.name} are not taught ones: make some by `lds capture teach`")
    start = _joints(collector)
    plan = plan_views(waypoints, len(waypoints.waypoints), planner, np.eye(4), start, seed=0)
    collector.by_arm(lambda goal: planner.plan(_joints(collector), goal), [view.joints for view in plan.views])


def _find_board(collector: Collector, planner: Planner, T_tool_camera: np.ndarray) -> np.ndarray:
    """T_world_board by the first picture that shows it: from where the arm is, else from above the work area."""
    collector.tell("looking for the board")
    found = _board_in_sight(collector, planner, T_tool_camera)
    if found is not None:
        return found
    face_up = pose(np.diag([1.0, -1.0, -1.0]), [0, 0, planner.profile.table_height])
    face_up[:3, 3] -= face_up[:3, :3] @ _middle(collector.board)
    goals = plan_board_views(
        planner, T_tool_camera, face_up, _middle(collector.board), _joints(collector), SEARCH_VIEWS, seed=0
    )
    for goal in goals:
        collector.arm.follow(planner.plan(_joints(collector), goal), collector.interrupted)
        found = _board_in_sight(collector, planner, T_tool_camera)
        if found is not None:
            return found
    raise CalibrationError(
        "the board is not to be seen: lay it in the middle of the work area, face up and well lit, and see that "
        "--camera-on-tool is about right"
    )


def _board_in_sight(collector: Collector, planner: Planner, T_tool_camera: np.ndarray) -> np.ndarray | None:
    still = collector.arm.still_since(SETTLE_TIMEOUT, collector.interrupted)
    frame = collector.camera.frame_after(still, FRAME_TIMEOUT)
    detection = collector.board.detect(frame.image)
    if not detection.usable:
        return None
    lens = collector.camera.intrinsics or _usual_lens(detection.width, detection.height)
    T_base_camera = collector.arm.T_base_tool(frame.stamp) @ T_tool_camera
    return planner.profile.T_world_base @ T_base_camera @ board_pose(detection, lens)


def _usual_lens(width: int, height: int) -> Intrinsics:
    """A guess for aiming: most webcams see some 55 degrees across."""
    K = np.array([[0.95 * width, 0, (width - 1) / 2], [0, 0.95 * width, (height - 1) / 2], [0, 0, 1]])
    return Intrinsics(K, np.zeros(5), width, height)


def _middle(board: Board) -> np.ndarray:
    return np.array([board.width / 2, board.height / 2, 0.0])


def _joints(collector: Collector) -> np.ndarray:
    return collector.arm.joints().positions
