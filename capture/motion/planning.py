"""Paths that hit nothing, timed within the arm's speed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from capture.errors import MotionError
from capture.motion.collision import CollisionChecker
from capture.motion.kinematics import Kinematics
from capture.motion.mujoco_urdf import FindMesh
from capture.motion.path_search import search_path
from capture.motion.robot_description import describe_robot
from capture.motion.robot_profile import RobotProfile
from capture.motion.timing import duration_of, timed
from capture.motion.trajectory import Trajectory
from datasets.poses import inverse

# Where an arm rests is measured, not commanded: it may stand this much outside of its limits or inside a clearance.
REST_ERROR = 0.02  # rad
REST_SLACK = 0.01  # m


@dataclass(frozen=True)
class Postures:
    """How an arm can put the camera at one place: `free`, joint angles [J] each; if none, `reason` says why not."""

    free: list[np.ndarray]
    reason: str


class Planner:
    """Plans the motion of one robot. Not for two threads at once.

    Args:
        profile: the robot.
        urdf: its description, XML.
        find_mesh: the file that a mesh's `package://` address means; see robot_description.describe_robot.

    Attributes:
        joint_names: J names, the order of all joint angles here.
        kinematics, collisions: of this robot.
        home: float64 [J].
        max_velocity, max_acceleration: float64 [J], rad/s and rad/s^2.

    Raises:
        CaptureError: profile and URDF do not fit together, or the home position is blocked; says what does not.
    """

    def __init__(self, profile: RobotProfile, urdf: str, find_mesh: FindMesh | None = None) -> None:
        robot = describe_robot(urdf, profile.base_frame, profile.tool_frame, find_mesh)
        self.profile = profile
        self.joint_names = robot.joint_names
        self.kinematics = Kinematics(robot, _home(profile, robot.joint_names))
        self.home = self.kinematics.home
        self.collisions = CollisionChecker(robot, profile, self.kinematics)
        self.max_velocity = np.minimum(profile.max_velocity, [joint.max_velocity for joint in robot.joints])
        self.max_acceleration = np.full(len(robot.joints), profile.max_acceleration)
        if reason := self.collisions.why_not(self.home):
            raise MotionError(
                f"robot profile {profile.name}: the home position is blocked: {reason}; see home, table, keep_out, "
                "camera_body and allowed_pairs there"
            )

    def plan(self, start: np.ndarray, goal: np.ndarray) -> Trajectory:
        """A motion from start to goal, joint angles [J], at rest at both, that hits nothing on its way.

        The same start and goal give the same motion.

        Raises:
            MotionError: start or goal is blocked, or no way was found; says what is in the way.
        """
        start, goal = np.asarray(start, np.float64), np.asarray(goal, np.float64)
        if reason := self.collisions.why_not(goal):
            raise MotionError(f"the goal is blocked: {reason}")
        free = self._free_near(start)
        path = self._path(free, goal)
        return timed(self.joint_names, [start, *path], self.max_velocity, self.max_acceleration)

    def postures(
        self,
        T_world_camera: np.ndarray,
        T_tool_camera: np.ndarray,
        near: np.ndarray,
        rng: np.random.Generator,
        solutions: int = 4,
    ) -> Postures:
        """Joint angles that put the camera [4,4] at a place, its roll free, and hit nothing; see Kinematics.inverse."""
        T_base_camera = inverse(self.profile.T_world_base) @ T_world_camera
        found = self.kinematics.inverse(T_base_camera, T_tool_camera, near, rng, solutions)
        reasons = [self.collisions.why_not(q) for q in found]
        free = [q for q, reason in zip(found, reasons, strict=True) if reason is None]
        return Postures(free, next(filter(None, reasons), "out of reach"))

    def is_free(self, start: np.ndarray, goal: np.ndarray) -> bool:
        """Whether the straight way between joint angles [J] hits nothing."""
        return self.collisions.why_not_path(start, goal) is None

    def duration(self, start: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """Seconds [...] of a straight motion between joint angles [...,J]."""
        return duration_of(np.abs(goal - start), self.max_velocity, self.max_acceleration)

    def T_world_tool(self, q: np.ndarray) -> np.ndarray:
        """Where the tool is [4,4] at joint angles q [J]."""
        return self.profile.T_world_base @ self.kinematics.T_base_tool(q)

    def _path(self, start: np.ndarray, goal: np.ndarray) -> Sequence[np.ndarray]:
        """Corners [J] of a way from start to goal, both included."""
        blocked = self.collisions.why_not_path
        if (reason := blocked(start, goal)) is None:
            return [start, goal]
        path = search_path(start, goal, self.kinematics.lower, self.kinematics.upper, blocked, via=self.home)
        if path is None:
            raise MotionError(f"no way found to the goal: on the straight way {reason}")
        return path

    def _free_near(self, start: np.ndarray) -> np.ndarray:
        """The start itself, or joint angles beside it where the arm rests a little inside a limit or clearance."""
        lower, upper = self.kinematics.lower, self.kinematics.upper
        inside = np.clip(start, lower, upper)
        near = inside if np.abs(inside - start).max() < REST_ERROR else start
        reason = self.collisions.why_not(near)
        if reason is None:
            return near
        if self.collisions.why_not(near, REST_SLACK) is None:
            rng = np.random.default_rng(0)
            for spread in np.linspace(0.01, 0.15, 100):
                beside = np.clip(near + rng.normal(0, spread, len(near)), lower, upper)
                clear = self.collisions.why_not(beside) is None
                if clear and self.collisions.why_not_path(near, beside, REST_SLACK) is None:
                    return beside
        raise MotionError(f"the arm cannot start from where it is: {reason}; move it clear by hand, slowly")


def _home(profile: RobotProfile, joint_names: tuple[str, ...]) -> np.ndarray | None:
    if profile.home is None:
        return None
    if set(profile.home) != set(joint_names):
        raise MotionError(
            f"robot profile {profile.name}: home names the joints {', '.join(profile.home)}, "
            f"and the URDF has {', '.join(joint_names)} between {profile.base_frame} and {profile.tool_frame}"
        )
    return np.array([profile.home[name] for name in joint_names])
