"""The arm finds the board, and goes around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from capture.arms.arm import Arm
from capture.calibration.board_viewpoints import AIM, plan_board_views
from capture.calibration.collecting import Collector
from capture.calibration.poses import board_pose
from capture.cameras.camera import Intrinsics
from capture.errors import CalibrationError
from capture.motion.planning import Planner
from capture.motion.trajectory import Trajectory
from capture.motion.view_planning import plan_views
from capture.motion.viewpoints import Pattern, TaughtPattern
from datasets.camera import rigid

SPARE = 1.5  # times as many poses as views are asked for, since some will not do
LENS_AIM = 0.07  # metres beside the board's middle: for a lens the board is to be in the picture's corners, too
SEARCH_VIEWS = 6


@dataclass(frozen=True)
class Driver:
    """Drives an arm from view to view.

    Its methods raise Interrupted where somebody asked to stop, and CameraLost where the camera is gone.
    """

    collector: Collector
    arm: Arm
    planner: Planner

    def around_board(self, T_tool_camera: np.ndarray, views: int, for_lens: bool) -> None:
        """Take views from all around the board, wherever in the middle of the work area it lies.

        Args:
            T_tool_camera: roughly where the camera is on the tool, float64 [4,4]; it only serves to aim.
            views: how many are wanted.
            for_lens: the board is to be all over the picture; otherwise it is to be seen whole.

        Raises:
            CalibrationError: the board is nowhere to be seen.
            MotionError: too few poses around it can be reached.
        """
        T_world_board = self._find_board(T_tool_camera)
        aim = LENS_AIM if for_lens else AIM
        self._visit(self._board_views(T_tool_camera, T_world_board, round(SPARE * views), aim))

    def through_waypoints(self, waypoints: Pattern) -> None:
        """Take a view at each taught waypoint, in their order.

        Raises:
            CalibrationError: they are other viewpoints than taught ones.
            MotionError: they are not of this arm, or one cannot be reached.
        """
        if not isinstance(waypoints, TaughtPattern):
            raise CalibrationError(f"viewpoints {waypoints.name} are not taught ones: make some by `lds capture teach`")
        count, start = len(waypoints.waypoints), self.arm.positions()
        plan = plan_views(waypoints, count, self.planner, np.eye(4), start, seed=0)
        self._visit([view.joints for view in plan.views])

    def _visit(self, goals: Sequence[np.ndarray]) -> None:
        self.collector.by_arm(self.arm, self._trajectory_to, goals)

    def _trajectory_to(self, goal: np.ndarray) -> Trajectory:
        return self.planner.plan(self.arm.positions(), goal)

    def _find_board(self, T_tool_camera: np.ndarray) -> np.ndarray:
        """T_world_board by the first picture that shows it: from where the arm is, else from above the work area."""
        self.collector.tell("looking for the board")
        found = self._board_in_sight(T_tool_camera)
        if found is not None:
            return found
        above = self._board_views(T_tool_camera, self._board_in_the_middle(), SEARCH_VIEWS, AIM)
        for goal in above:
            self.arm.follow(self._trajectory_to(goal), self.collector.interrupted)
            found = self._board_in_sight(T_tool_camera)
            if found is not None:
                return found
        raise CalibrationError(
            "the board is not to be seen: lay it in the middle of the work area, face up and well lit, and see that "
            "--camera-on-tool is about right"
        )

    def _board_in_the_middle(self) -> np.ndarray:
        """T_world_board [4,4] of a board that lies face up, its middle in that of the work area."""
        face_up = np.diag([1.0, -1.0, -1.0])
        place = np.array([0, 0, self.planner.profile.table_height]) - face_up @ self.collector.board.middle
        return rigid(face_up, place)

    def _board_views(
        self, T_tool_camera: np.ndarray, T_world_board: np.ndarray, count: int, aim: float
    ) -> list[np.ndarray]:
        middle, start = self.collector.board.middle, self.arm.positions()
        return plan_board_views(self.planner, T_tool_camera, T_world_board, middle, start, count, seed=0, aim=aim)

    def _board_in_sight(self, T_tool_camera: np.ndarray) -> np.ndarray | None:
        """T_world_board [4,4]; None where the camera does not see enough of it."""
        frame = self.collector.frame_at_rest(self.arm)
        detection = self.collector.board.detect(frame.image)
        if not detection.usable:
            return None
        lens = self.collector.camera.intrinsics or _usual_lens(detection.width, detection.height)
        T_base_camera = self.arm.T_base_tool(frame.stamp) @ T_tool_camera
        return self.planner.profile.T_world_base @ T_base_camera @ board_pose(detection, lens)


def _usual_lens(width: int, height: int) -> Intrinsics:
    """A guess for aiming: most webcams see some 55 degrees across."""
    K = np.array([[0.95 * width, 0, (width - 1) / 2], [0, 0.95 * width, (height - 1) / 2], [0, 0, 1]])
    return Intrinsics(K, np.zeros(5), width, height)
