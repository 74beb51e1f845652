from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from arms_for_tests import CRANE, CRANE_URDF, simulated_planner
from scipy.interpolate import CubicHermiteSpline

from capture.errors import MotionError
from capture.motion.planning import REST_ERROR, Planner
from capture.motion.robot_profile import load_robot_profile
from capture.motion.timing import duration_of, timed
from capture.motion.trajectory import Trajectory

ABOVE = np.array([0.0, 0.35, 2.1, 0.0, 0.7, 0.0])
LEFT = ABOVE + [0.4, 0.8, 0.1, 0, 0, 0]  # beside the objects, and behind them, seen from RIGHT
RIGHT = ABOVE + [-0.4, 0.8, 0.1, 0, 0, 0]
AT_TABLE = ABOVE + [0, 1.1, 0.1, 0, 0, 0]


@pytest.fixture(scope="module")
def planner() -> Planner:
    return simulated_planner()


def as_driven(trajectory: Trajectory) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Angles, velocities, accelerations [N,J] by finite differences of what controllers drive: cubics."""
    spline = CubicHermiteSpline(trajectory.times, trajectory.positions, trajectory.velocities)
    t = np.arange(0, trajectory.duration, 1e-3)
    q = spline(t)
    v = np.gradient(q, t, axis=0)
    return q, v, np.gradient(v, t, axis=0)


@pytest.mark.parametrize("distance", [1e-4, 0.01, 0.3, 1.0, 5.0])
def test_speed_and_acceleration_stay_within_their_bounds(distance: float) -> None:
    max_velocity, max_acceleration = np.array([1.0, 0.5, 2.0]), np.array([2.0, 3.0, 1.0])
    corners = [np.zeros(3), distance * np.array([1.0, -0.5, 0.2]), distance * np.array([0.5, 0.5, 0.5])]
    trajectory = timed(("a", "b", "c"), corners, max_velocity, max_acceleration)
    _, v, a = as_driven(trajectory)
    assert (np.abs(v) <= max_velocity + 1e-9).all()
    assert (np.abs(a) <= max_acceleration * 1.01).all()
    assert (np.abs(trajectory.velocities) <= max_velocity).all()
    # and some bound is made use of, so that motion is not slower than it need be
    assert max((np.abs(v) / max_velocity).max(), (np.abs(a) / max_acceleration).max()) > 0.9


def test_motion_starts_and_ends_at_rest_and_passes_its_corners() -> None:
    corners = [np.zeros(2), np.array([1.0, 0.0]), np.array([1.0, 1.0])]
    trajectory = timed(("a", "b"), corners, np.ones(2), np.full(2, 2.0))
    assert trajectory.velocities[[0, -1]] == pytest.approx(np.zeros((2, 2)))
    assert trajectory.times[0] == 0
    assert (np.diff(trajectory.times) > 0).all()
    for corner in corners:
        assert np.abs(trajectory.positions - corner).max(1).min() < 1e-9


def test_velocities_are_the_slope_of_the_positions() -> None:
    trajectory = timed(("a",), [np.zeros(1), np.ones(1)], np.ones(1), np.full(1, 2.0))
    slope = np.gradient(trajectory.positions[:, 0], trajectory.times)
    assert trajectory.velocities[1:-1, 0] == pytest.approx(slope[1:-1], abs=5e-3)


def test_duration_is_known_without_the_trajectory() -> None:
    rng = np.random.default_rng(0)
    ends = rng.uniform(-2, 2, (20, 3)) * rng.uniform(0.01, 1, (20, 1))
    bounds = np.array([1.0, 0.5, 2.0]), np.array([2.0, 3.0, 1.0])
    durations = [timed(("a", "b", "c"), [np.zeros(3), end], *bounds).duration for end in ends]
    assert duration_of(np.abs(ends), *bounds) == pytest.approx(durations)


def test_nowhere_to_go_is_a_trajectory_too(planner: Planner) -> None:
    trajectory = planner.plan(ABOVE, ABOVE)
    assert trajectory.positions == pytest.approx(np.stack([ABOVE, ABOVE]))
    assert trajectory.times[0] < trajectory.times[1]


def test_free_way_is_straight(planner: Planner) -> None:
    goal = ABOVE + [0.5, -0.2, 0.1, 0.3, 0, -1.0]
    trajectory = planner.plan(ABOVE, goal)
    share = (trajectory.positions - ABOVE) / (goal - ABOVE + (goal == ABOVE))
    assert np.ptp(share[:, [0, 1, 2, 3, 5]], axis=1).max() < 1e-9
    assert trajectory.positions[-1] == pytest.approx(goal)
    assert trajectory.joint_names == planner.joint_names


@pytest.mark.parametrize("home", [ABOVE, LEFT])
def test_blocked_way_is_gone_around(home: np.ndarray) -> None:
    """Over home, where that is free, and by search where it is not."""
    names = simulated_planner().joint_names
    planner = simulated_planner(home=dict(zip(names, home.tolist(), strict=True)))
    assert planner.collisions.why_not_path(LEFT, RIGHT)
    trajectory = planner.plan(LEFT, RIGHT)
    assert trajectory.positions[[0, -1]] == pytest.approx(np.stack([LEFT, RIGHT]))
    q, v, a = as_driven(trajectory)
    assert all(planner.collisions.why_not(angles) is None for angles in q[::5])
    assert (np.abs(v) <= planner.max_velocity + 1e-9).all()
    assert (np.abs(a) <= planner.max_acceleration * 1.01).all()
    assert planner.plan(LEFT, RIGHT).positions == pytest.approx(trajectory.positions)


def test_blocked_goal_is_refused_with_the_link(planner: Planner) -> None:
    with pytest.raises(MotionError, match="the goal is blocked: camera_mount would come too close to the table"):
        planner.plan(ABOVE, AT_TABLE)


def test_start_in_collision_is_refused(planner: Planner) -> None:
    with pytest.raises(
        MotionError, match="cannot start from where it is: camera_mount would come too close to the table"
    ):
        planner.plan(AT_TABLE, ABOVE)


def test_arm_that_rests_a_little_within_a_clearance_gets_out(planner: Planner) -> None:
    start = next(q for q in np.linspace(ABOVE, AT_TABLE, 300) if planner.collisions.why_not(q))
    trajectory = planner.plan(start, ABOVE)
    assert trajectory.positions[0] == pytest.approx(start)
    assert trajectory.positions[-1] == pytest.approx(ABOVE)
    assert all(planner.collisions.why_not(q, slack=0.012) is None for q in trajectory.positions)


def test_arm_that_rests_a_little_beyond_a_limit_gets_back(planner: Planner) -> None:
    start = np.array([0.0, -1.2, 0.5, 3.05 + REST_ERROR / 2, 0.5, 0.0])
    assert planner.plan(start, ABOVE).positions[0] == pytest.approx(start)
    with pytest.raises(MotionError, match="wrist_1_joint would be at 3.15, outside of its limits"):
        planner.plan(start + [0, 0, 0, 0.09, 0, 0], ABOVE)


def test_speed_is_the_slower_of_profile_and_urdf() -> None:
    planner = Planner(CRANE, CRANE_URDF)
    assert planner.max_velocity == pytest.approx([0.5, 1.0, 0.2])
    assert planner.max_acceleration == pytest.approx([2.0, 2.0, 2.0])


def test_home_of_other_joints_is_named() -> None:
    profile = replace(CRANE, home={"turn": 0.0, "tilt": 0.0, "slide": 0.1})
    with pytest.raises(
        MotionError, match="crane: home names the joints turn, tilt, slide, and the URDF has turn, lift"
    ):
        Planner(profile, CRANE_URDF)


def test_blocked_home_is_named() -> None:
    profile = load_robot_profile("simulated")
    profile = replace(profile, home=dict(zip(profile.home, AT_TABLE.tolist(), strict=True)))
    with pytest.raises(MotionError, match="simulated: the home position is blocked: camera_mount would come too close"):
        Planner(profile, profile.urdf.read_text())
