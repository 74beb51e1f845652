"""Which views of a pattern the arm takes, in which joint positions and in which order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from capture.errors import MotionError
from capture.motion.planning import Planner
from capture.motion.view_order import shortest_tour
from capture.motion.viewpoints import FreehandPattern, OrbitPattern, Pattern, TaughtPattern, camera_poses

ROUNDS = 6  # of poses that are tried, as many each as were asked for


@dataclass(frozen=True)
class View:
    """A place to look from.

    Attributes:
        joints: float64 [J], where the arm is to be, in the order of the planner's joint names.
        T_world_camera: float64 [4,4], where the camera will be then.
    """

    joints: np.ndarray
    T_world_camera: np.ndarray


@dataclass(frozen=True)
class LeftOut:
    """A place of the pattern that cannot be looked from, in words, and why."""

    view: str
    reason: str


@dataclass(frozen=True)
class ViewPlan:
    """Views in the order to visit them, each free and reachable from the one before; and places that are left out."""

    views: tuple[View, ...]
    left_out: tuple[LeftOut, ...]


def plan_views(
    pattern: Pattern, count: int, planner: Planner, T_tool_camera: np.ndarray, start: np.ndarray, seed: int
) -> ViewPlan:
    """Choose `count` views of a pattern that the arm can take from `start` on.

    Views of an orbit that are out of reach are replaced by others of it, and all are ordered for short motion. Taught
    waypoints keep their order.

    Args:
        T_tool_camera: float64 [4,4], how the camera is fixed to the tool.
        start: joint angles [J] where the arm is now.
        seed: the same one gives the same plan.

    Raises:
        MotionError: fewer views than asked can be taken; says how many, and why not more.
    """
    if isinstance(pattern, FreehandPattern):
        raise MotionError(f"viewpoints {pattern.name}: the operator moves the camera, there is nothing to plan")
    planning = _ViewPlanning(pattern.name, count, planner, T_tool_camera, np.asarray(start, np.float64))
    if isinstance(pattern, TaughtPattern):
        return planning.taught(pattern)
    return planning.orbit(pattern, np.random.default_rng(seed))


class _ViewPlanning:
    def __init__(self, name: str, count: int, planner: Planner, T_tool_camera: np.ndarray, start: np.ndarray) -> None:
        self._name, self._count, self._planner = name, count, planner
        self._T_tool_camera, self._start = T_tool_camera, start
        self._left_out: list[LeftOut] = []

    def orbit(self, pattern: OrbitPattern, rng: np.random.Generator) -> ViewPlan:
        postures: list[np.ndarray] = []  # of each view, joint angles [M,J]
        for _ in range(ROUNDS):
            for pose in camera_poses(pattern, self._count, rng):
                if len(postures) < self._count and (found := self._postures(pose, rng)) is not None:
                    postures.append(found)
            if len(postures) == self._count:
                tour = shortest_tour(self._start, postures, self._planner.duration, self._planner.is_free)
                reached = self._reachable(tour, self._place)
                if len(reached) == self._count:
                    return self._plan([joints for _, joints in reached])
                postures = [postures[stop] for stop, _ in reached]
        raise self._too_few(len(postures))

    def taught(self, pattern: TaughtPattern) -> ViewPlan:
        if set(pattern.joint_names) != set(self._planner.joint_names):
            raise MotionError(
                f"viewpoints {pattern.name}: taught for the joints {', '.join(pattern.joint_names)}; "
                f"this robot has {', '.join(self._planner.joint_names)}: teach them with this robot"
            )
        columns = [pattern.joint_names.index(name) for name in self._planner.joint_names]
        waypoints = list(enumerate(pattern.waypoints[:, columns], 1))
        reached = self._reachable(waypoints, lambda number, _: f"waypoint {number}", limit=self._count)
        if len(reached) < self._count:
            raise self._too_few(len(reached))
        return self._plan([joints for _, joints in reached])

    def _postures(self, pose: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
        """Joint angles [M,J] that put the camera there and hit nothing; None where there are none."""
        # Near home, not near the start: postures would drift from scene to scene, and motion between them grow.
        postures = self._planner.postures(pose, self._T_tool_camera, self._planner.home, rng)
        if postures.free:
            return np.stack(postures.free)
        self._leave_out(f"camera at {_in_words(pose)}", postures.reason)
        return None

    def _reachable(
        self, tour: list[tuple[int, np.ndarray]], words: Callable[[int, np.ndarray], str], limit: int | None = None
    ) -> list[tuple[int, np.ndarray]]:
        """The stops of a tour without those to which no way is found, up to `limit` of them; `words` name a stop."""
        here = self._start
        reached: list[tuple[int, np.ndarray]] = []
        for stop, joints in tour:
            if len(reached) == limit:
                self._leave_out(words(stop, joints), "more than were asked for")
                continue
            try:
                self._planner.plan(here, joints)
            except MotionError as error:
                self._leave_out(words(stop, joints), str(error))
                continue
            reached.append((stop, joints))
            here = joints
        return reached

    def _plan(self, goals: list[np.ndarray]) -> ViewPlan:
        return ViewPlan(tuple(View(joints, self._camera(joints)) for joints in goals), tuple(self._left_out))

    def _camera(self, joints: np.ndarray) -> np.ndarray:
        return self._planner.T_world_tool(joints) @ self._T_tool_camera

    def _place(self, _: int, joints: np.ndarray) -> str:
        return f"camera at {_in_words(self._camera(joints))}"

    def _leave_out(self, view: str, reason: str) -> None:
        self._left_out.append(LeftOut(view, reason))

    def _too_few(self, reached: int) -> MotionError:
        reasons = Counter(left.reason for left in self._left_out).most_common(3)
        words = "; ".join(f"{number} x {reason}" for reason, number in reasons) or "there are no more"
        return MotionError(f"viewpoints {self._name}: only {reached} of {self._count} views can be taken ({words})")


def _in_words(pose: np.ndarray) -> str:
    x, y, z = pose[:3, 3]
    return f"({x:.2f}, {y:.2f}, {z:.2f}) m"
