from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from arms_for_tests import simulated_planner
from scipy.stats import kstest, uniform

from capture.errors import MotionError
from capture.motion.planning import Planner
from capture.motion.trajectory import Trajectory
from capture.motion.view_order import shortest_tour
from capture.motion.view_planning import plan_views
from capture.motion.viewpoints import FreehandPattern, OrbitPattern, TaughtPattern, camera_poses, load_viewpoints
from capture.settings_file import SettingsError
from datasets.camera import look_at
from lds_models.presets import config_folder

START = np.array([0.0, 0.35, 2.1, 0.0, 0.7, 0.0])
T_TOOL_CAMERA = look_at([0, 0, 0], [0.1, -0.05, 1.0])
T_TOOL_CAMERA[:3, 3] = [0.055, 0.0, 0.045]


@pytest.fixture(scope="module")
def planner() -> Planner:
    return simulated_planner()


def orbit(kind: str = "ring", **changes: object) -> OrbitPattern:
    settings = {
        "target": (0.0, 0.0, 0.03), "scatter": 0.0, "azimuth": (0.0, 2 * np.pi), "elevation": (0.7, 1.0),
        "distance": (0.45, 0.55), "turns": 2.0,
    }  # fmt: skip
    return OrbitPattern("test", kind, **(settings | changes))


def angles(poses: np.ndarray, target: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Azimuth, elevation (rad) and distance (m) of cameras [N,4,4] as seen from a target."""
    x, y, z = (poses[:, :3, 3] - target).T
    return np.arctan2(y, x) % (2 * np.pi), np.arctan2(z, np.hypot(x, y)), np.sqrt(x**2 + y**2 + z**2)


@pytest.mark.parametrize("kind", ["ring", "hemisphere", "spiral"])
def test_cameras_are_where_the_pattern_says_and_look_at_its_target(kind: str) -> None:
    pattern = orbit(kind)
    poses = camera_poses(pattern, 40, np.random.default_rng(0))
    azimuth, elevation, distance = angles(poses, pattern.target)
    assert ((elevation > 0.7 - 1e-9) & (elevation < 1 + 1e-9)).all()
    assert ((distance > 0.45 - 1e-9) & (distance < 0.55 + 1e-9)).all()
    ahead = poses[:, :3, 3] + distance[:, None] * poses[:, :3, 2]
    assert ahead == pytest.approx(np.tile(pattern.target, (40, 1)), abs=1e-9)
    assert np.diff(np.sort(azimuth)).max() < np.deg2rad(40)


def test_ring_goes_around_evenly() -> None:
    azimuth, _, _ = angles(camera_poses(orbit(), 24, np.random.default_rng(0)), (0, 0, 0.03))
    assert np.diff(np.sort(azimuth)).max() < 1.5 * 2 * np.pi / 24 + 1e-9


def test_hemisphere_has_as_many_views_on_each_piece_of_equal_area() -> None:
    """Archimedes: the area of a sphere between two heights is in proportion to their difference."""
    pattern = orbit("hemisphere", elevation=(0.1, 1.5))
    _, elevation, _ = angles(camera_poses(pattern, 400, np.random.default_rng(0)), pattern.target)
    heights = uniform(np.sin(0.1), np.sin(1.5) - np.sin(0.1))
    assert kstest(np.sin(elevation), heights.cdf).statistic < 0.01


def test_spiral_rises() -> None:
    _, elevation, _ = angles(camera_poses(orbit("spiral"), 24, np.random.default_rng(0)), (0, 0, 0.03))
    assert np.corrcoef(np.arange(1, 24), elevation[1:])[0, 1] > 0.98


def test_azimuth_may_be_a_part_of_the_circle() -> None:
    pattern = orbit("hemisphere", azimuth=(1.0, 2.0))
    azimuth, _, _ = angles(camera_poses(pattern, 50, np.random.default_rng(0)), pattern.target)
    assert ((azimuth >= 1) & (azimuth <= 2)).all()


@pytest.mark.parametrize("name", ["ring", "hemisphere", "spiral"])
def test_shipped_patterns_are_reachable_by_the_simulated_arm(name: str, planner: Planner) -> None:
    plan = plan_views(load_viewpoints(name), 24, planner, T_TOOL_CAMERA, START, seed=0)
    assert len(plan.views) == 24
    here, durations = START, []
    for view in plan.views:
        trajectory = planner.plan(here, view.joints)
        durations.append(trajectory.duration)
        here = view.joints
        camera = planner.T_world_tool(view.joints) @ T_TOOL_CAMERA
        assert camera == pytest.approx(view.T_world_camera)
        ray = np.array([0, 0, 0.03]) - camera[:3, 3]
        assert np.arccos(ray @ camera[:3, 2] / np.linalg.norm(ray)) < np.deg2rad(8)
    assert np.mean(durations) < 1.6
    assert max(durations) < 4


def test_the_same_seed_gives_the_same_plan(planner: Planner) -> None:
    first, second, other = (plan_views(orbit(), 6, planner, T_TOOL_CAMERA, START, seed) for seed in (1, 1, 2))
    assert np.array([v.joints for v in first.views]) == pytest.approx(np.array([v.joints for v in second.views]))
    assert np.abs(first.views[0].joints - other.views[0].joints).max() > 1e-3


def test_unreachable_views_are_replaced_and_told(planner: Planner) -> None:
    pattern = orbit("hemisphere", distance=(0.5, 1.3))
    plan = plan_views(pattern, 12, planner, T_TOOL_CAMERA, START, seed=0)
    assert len(plan.views) == 12
    assert plan.left_out
    assert all(left.view.startswith("camera at (") for left in plan.left_out)
    assert "out of reach" in {left.reason for left in plan.left_out}


def test_too_few_reachable_views_are_an_error_that_says_how_many(planner: Planner) -> None:
    with pytest.raises(MotionError, match=r"viewpoints test: only 0 of 5 views can be taken \(\d+ x out of reach\)"):
        plan_views(orbit(distance=(3, 4)), 5, planner, T_TOOL_CAMERA, START, seed=0)


def path_length(points: np.ndarray) -> float:
    return np.abs(np.diff(points, axis=0)).max(1).sum()


def duration(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.abs(a - b).max(-1)


def test_order_is_close_to_the_best_and_much_shorter_than_chance() -> None:
    rng = np.random.default_rng(0)
    start, stops = np.zeros(2), rng.uniform(-1, 1, (7, 2))
    tour = shortest_tour(start, [stop[None] for stop in stops], duration, lambda a, b: True)
    assert sorted(index for index, _ in tour) == list(range(7))
    length = path_length(np.array([start, *(point for _, point in tour)]))
    best = min(path_length(np.array([start, *order])) for order in permutations(stops))
    assert best - 1e-9 <= length <= 1.1 * best
    many = rng.uniform(-1, 1, (40, 6))
    tour = shortest_tour(np.zeros(6), [stop[None] for stop in many], duration, lambda a, b: True)
    assert path_length(np.array([point for _, point in tour])) < 0.75 * path_length(many)


def test_of_each_stop_the_variant_is_taken_that_shortens_the_tour() -> None:
    line = [np.array([[x, 0.0], [-x, 5.0]]) for x in (1.0, 2.0, 3.0)]
    tour = shortest_tour(np.zeros(2), line, duration, lambda a, b: True)
    assert np.array([point for _, point in tour]) == pytest.approx(np.array([[1, 0], [2, 0], [3, 0]]))


def test_blocked_ways_are_avoided() -> None:
    stops = [np.array([[1.0, 0.0]]), np.array([[1.1, 0.0]]), np.array([[0.0, 1.0]])]
    tour = shortest_tour(np.zeros(2), stops, duration, lambda a, b: not {a[0], b[0]} == {0.0, 1.0})
    ways = zip([np.zeros(2), *(p for _, p in tour)], (p for _, p in tour), strict=False)
    assert all({a[0], b[0]} != {0.0, 1.0} for a, b in ways)


def taught(waypoints: list[np.ndarray], names: tuple[str, ...]) -> TaughtPattern:
    return TaughtPattern("lesson", names, np.array(waypoints))


def test_taught_waypoints_keep_their_order(planner: Planner) -> None:
    waypoints = [START + [angle, 0, 0, 0, 0, 0] for angle in (0.4, -0.4, 0.2)]
    plan = plan_views(taught(waypoints, planner.joint_names), 2, planner, T_TOOL_CAMERA, START, seed=5)
    assert np.array([view.joints for view in plan.views]) == pytest.approx(np.array(waypoints[:2]))
    assert [(left.view, left.reason) for left in plan.left_out] == [("waypoint 3", "more than were asked for")]


def test_a_stop_must_be_reachable_from_the_stop_before_it(planner: Planner, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = (START + [angle, 0, 0, 0, 0, 0] for angle in (0.4, -0.4, 0.2))
    blocked, plan = [(first, second), (START, third)], planner.plan

    def with_walls(start: np.ndarray, goal: np.ndarray) -> Trajectory:
        if any(np.array_equal(way, (start, goal)) for way in blocked):
            raise MotionError("a wall")
        return plan(start, goal)

    monkeypatch.setattr(planner, "plan", with_walls)
    found = plan_views(taught([first, second, third], planner.joint_names), 2, planner, T_TOOL_CAMERA, START, seed=0)
    assert np.array([view.joints for view in found.views]) == pytest.approx(np.array([first, third]))
    assert [(left.view, left.reason) for left in found.left_out] == [("waypoint 2", "a wall")]


def test_taught_joints_may_come_in_another_order(planner: Planner) -> None:
    pattern = taught([START[::-1]], planner.joint_names[::-1])
    assert plan_views(pattern, 1, planner, T_TOOL_CAMERA, START, seed=0).views[0].joints == pytest.approx(START)


def test_taught_waypoint_in_a_collision_is_left_out(planner: Planner) -> None:
    low = START + [0, 1.1, 0.1, 0, 0, 0]
    pattern = taught([START + 0.1, low, START - 0.1], planner.joint_names)
    plan = plan_views(pattern, 2, planner, T_TOOL_CAMERA, START, seed=0)
    assert len(plan.views) == 2
    assert plan.left_out[0].view == "waypoint 2"
    assert "camera_mount would come too close to the table" in plan.left_out[0].reason
    with pytest.raises(MotionError, match="viewpoints lesson: only 2 of 3 views can be taken"):
        plan_views(pattern, 3, planner, T_TOOL_CAMERA, START, seed=0)


def test_waypoints_of_another_robot_are_refused(planner: Planner) -> None:
    with pytest.raises(MotionError, match="lesson: taught for the joints a, b; this robot has shoulder_pan_joint"):
        plan_views(taught([np.zeros(2)], ("a", "b")), 1, planner, T_TOOL_CAMERA, START, seed=0)


def test_freehand_file_is_read_and_cannot_be_planned(planner: Planner) -> None:
    pattern = load_viewpoints("freehand")
    assert pattern == FreehandPattern("freehand", 0.06, pytest.approx(np.deg2rad(8)))
    with pytest.raises(MotionError, match="the operator moves the camera"):
        plan_views(pattern, 1, planner, T_TOOL_CAMERA, START, seed=0)


RING = "kind: ring\nelevation: [40, 50]\ndistance: [0.4, 0.5]\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (RING.replace("ring", "star"), "kind must be one of ring, hemisphere, spiral, taught, freehand, not star"),
        ("", "holds no 'key: value' lines|kind must be one of"),
        ("- a\n- b\n", "holds no 'key: value' lines"),
        ("kind: [\n", "is no valid YAML"),
        (RING + "hight: 3\n", "hight: Key 'hight' not in"),
        (RING.replace("distance: [0.4, 0.5]\n", ""), "distance is missing"),
        (RING.replace("[0.4, 0.5]", "[0.5, 0.4]"), r"distance must be \[from, to\] within 0.05 to 5 m"),
        (RING.replace("[40, 50]", "[40, 95]"), r"elevation must be \[from, to\] within 0 to 90 degrees"),
        (RING.replace("[40, 50]", "[40, high]"), r"elevation\[1\]: Value 'high'"),
        (RING + "target: [0, 0]\n", "target must be three numbers"),
        ("kind: freehand\nmin_distance: 0\nmin_angle: 3\n", "min_distance must be above 0 m"),
        ("kind: taught\njoint_names: [a, b]\nwaypoints: [[1, 2], [1]]\n", "waypoint 2 must be 2 angles in rad"),
        ("kind: taught\njoint_names: [a, b]\nwaypoints: []\n", "waypoints is empty"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(content: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(content)
    with pytest.raises(SettingsError, match=f"{file}: ({message})"):
        load_viewpoints(file)


def test_missing_file_lists_what_there_is() -> None:
    with pytest.raises(SettingsError, match="no file 'rnig', .* config/viewpoints: freehand, hemisphere, ring, spiral"):
        load_viewpoints("rnig")


def test_documented_taught_file_is_valid(planner: Planner, tmp_path: Path) -> None:
    text = (config_folder() / "viewpoints" / "README.md").read_text()
    (tmp_path / "mine.yaml").write_text(text.split("```")[1].removeprefix("yaml\n"))
    plan = plan_views(load_viewpoints(tmp_path / "mine.yaml"), 2, planner, T_TOOL_CAMERA, START, seed=0)
    assert len(plan.views) == 2
