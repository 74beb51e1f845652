"""The simulated arm's way around the board, planned without ROS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from capture.arms.arm import Arm, JointState
from capture.calibration.board import BOARD
from capture.calibration.board_viewpoints import TILT, camera_poses_around, plan_board_views
from capture.calibration.collecting import Collector
from capture.calibration.driving import Driver
from capture.calibration.guides import HandEyeGuide
from capture.calibration.rotation_spread import rotation_spread, spread_finding
from capture.errors import CalibrationError, MotionError
from capture.motion.planning import Planner
from capture.motion.robot_profile import load_robot_profile
from capture.motion.trajectory import Trajectory
from capture.motion.viewpoints import TaughtPattern, load_viewpoints
from capture.simulation.truth import START, T_TOOL_CAMERA, T_WORLD_BOARD, lens


@pytest.fixture(scope="module")
def planner() -> Planner:
    profile = load_robot_profile("simulated")
    return Planner(profile, profile.urdf.read_text())


@pytest.fixture(scope="module")
def goals(planner: Planner) -> list[np.ndarray]:
    return plan_board_views(planner, T_TOOL_CAMERA, T_WORLD_BOARD, BOARD.middle, START, count=20, seed=0)


def test_cameras_look_at_the_front_of_the_board_tilted_but_not_too_much() -> None:
    poses = camera_poses_around(np.eye(4), BOARD.middle, 200, np.random.default_rng(0))
    sight = poses[:, :3, 2]
    assert (poses[:, 2, 3] < 0).all()  # z points into the paper
    assert (sight[:, 2] >= np.cos(TILT) - 1e-9).all()
    assert np.allclose(np.linalg.det(poses[:, :3, :3]), 1)
    to_plane = poses[:, :3, 3] - sight * (poses[:, 2, 3] / sight[:, 2])[:, None]
    assert np.linalg.norm(to_plane - BOARD.middle, axis=1).max() < 0.15


def test_planned_views_show_the_board_turn_about_all_axes_and_hit_nothing(
    planner: Planner, goals: list[np.ndarray]
) -> None:
    assert len(goals) == 20
    assert all(planner.collisions.why_not(goal) is None for goal in goals)
    tools = np.array([planner.T_world_tool(goal) for goal in goals])
    assert spread_finding(rotation_spread(tools)) is None
    shown = lens(640, 480)
    corners = np.column_stack([BOARD.object_points, np.ones(len(BOARD.object_points))])
    seen = []
    for tool in tools:
        in_camera = np.linalg.inv(tool @ T_TOOL_CAMERA) @ T_WORLD_BOARD @ corners.T
        pixels = (shown.K @ in_camera[:3] / in_camera[2])[:2]
        seen.append(((pixels > 0).all(0) & (pixels.T < [639, 479]).all(1)).mean())
    assert np.mean(seen) > 0.9


def test_board_out_of_reach_is_refused_with_a_reason(planner: Planner) -> None:
    far = T_WORLD_BOARD.copy()
    far[0, 3] += 3
    with pytest.raises(MotionError, match="out of reach.*without --auto"):
        plan_board_views(planner, T_TOOL_CAMERA, far, BOARD.middle, START, count=6, seed=0)


class StandingArm(Arm):
    """Is at once where it is told to be."""

    name = "simulated"

    def __init__(self) -> None:
        self.at = START

    def __enter__(self) -> StandingArm:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def joints(self) -> JointState:
        return JointState((), self.at, np.zeros(len(self.at)), 0.0)

    def follow(self, trajectory: Trajectory, interrupted: Callable[[], bool]) -> None:
        self.at = trajectory.positions[-1]
        raise MotionError("seen enough")  # goes on to the next, without a picture

    def stop(self) -> None:
        pass

    def still_since(self, timeout: float, interrupted: Callable[[], bool]) -> float:
        return 0.0

    def T_base_tool(self, stamp: float) -> np.ndarray:
        return np.eye(4)


def driver(planner: Planner, said: list[str]) -> Driver:
    collector = Collector(None, None, BOARD, HandEyeGuide(20), None, said.append, lambda: False, None)
    return Driver(collector, StandingArm(), planner)


def test_taught_waypoints_are_visited_in_their_order(planner: Planner, goals: list[np.ndarray]) -> None:
    said: list[str] = []
    reversed_names = tuple(reversed(planner.joint_names))
    waypoints = TaughtPattern("taught", reversed_names, np.array(goals[:4])[:, ::-1])
    driving = driver(planner, said)
    driving.through_waypoints(waypoints)
    assert len(said) == 4
    assert driving.arm.positions() == pytest.approx(goals[3])


def test_other_viewpoints_are_no_waypoints(planner: Planner) -> None:
    with pytest.raises(CalibrationError, match="are not taught ones"):
        driver(planner, []).through_waypoints(load_viewpoints(Path("ring")))
