"""What recording must know of a robot beside its URDF: names, its place, its speed, what it must not hit."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from omegaconf import MISSING

from capture.settings_file import SettingsError, are_numbers, read_settings, require, settings_file
from datasets.poses import pose_of_numbers


@dataclass(frozen=True)
class CameraBody:
    """A box around the camera, its mount and its cable: `size` full edge lengths, `position` its middle, metres.

    Both along the axes of the tool frame.
    """

    size: tuple[float, float, float]
    position: tuple[float, float, float]


@dataclass(frozen=True)
class KeepOut:
    """An upright cylinder over the objects, on the table around the world's origin; metres."""

    radius: float
    height: float


@dataclass(frozen=True)
class RobotProfile:
    """One robot and its surroundings, from a file of config/robots.

    Attributes:
        name: of the robot.
        tried: what was tried with this profile, and what was not.
        base_frame, tool_frame: links of the URDF; the camera is fixed to the second.
        trajectory_action: name of the FollowJointTrajectory action.
        joint_states: topic of sensor_msgs/JointState.
        T_world_base: float64 [4,4], where the arm stands; the world's origin is the middle of the work area.
        max_velocity, max_acceleration: of every joint, rad/s and rad/s^2. The URDF's velocity limits hold as well.
        home: joint angles (rad) by name where the arm is out of the operator's way, who rearranges the objects
            meanwhile; None: all zero.
        urdf: the robot's description; None: ROS knows it (the parameter /robot_description).
        table_height, table_clearance: in the world frame, and what all moving parts keep away from the table, metres.
        keep_out: where neither links nor camera may enter; None: nowhere.
        camera_body: None: the URDF has it.
        allowed_pairs: pairs of links (or `camera`, `table`, `keep_out`) that may touch.
    """

    name: str
    tried: str
    base_frame: str
    tool_frame: str
    trajectory_action: str
    joint_states: str
    T_world_base: np.ndarray
    max_velocity: float
    max_acceleration: float
    home: dict[str, float] | None = None
    urdf: Path | None = None
    table_height: float = 0.0
    table_clearance: float = 0.02
    keep_out: KeepOut | None = None
    camera_body: CameraBody | None = None
    allowed_pairs: tuple[tuple[str, str], ...] = ()


def load_robot_profile(name_or_path: str | Path) -> RobotProfile:
    """Read a robot's profile: a name from config/robots, or the path of such a file.

    Raises:
        SettingsError: there is none, a key is missing or unknown, or a value does not do.
    """
    file = settings_file("robots", name_or_path)
    settings = read_settings(_RobotSettings, file)
    urdf = None if settings.urdf is None else file.parent / settings.urdf
    if urdf is not None and not urdf.is_file():
        raise SettingsError(f"{file}: urdf: there is no file {urdf}")
    return RobotProfile(
        name=settings.name,
        tried=settings.tried.strip(),
        base_frame=settings.base_frame,
        tool_frame=settings.tool_frame,
        trajectory_action=settings.trajectory_action,
        joint_states=settings.joint_states,
        T_world_base=_pose(settings.T_world_base, file),
        max_velocity=_within(settings.speed.velocity, 0.01, 3.0, "speed.velocity", "rad/s", file),
        max_acceleration=_within(settings.speed.acceleration, 0.05, 10.0, "speed.acceleration", "rad/s^2", file),
        home=settings.home,
        urdf=urdf,
        table_height=_within(settings.table.height, -3.0, 3.0, "table.height", "m", file),
        table_clearance=_within(settings.table.clearance, 0.0, 0.5, "table.clearance", "m", file),
        keep_out=_keep_out(settings.keep_out, file),
        camera_body=_camera_body(settings.camera_body, file),
        allowed_pairs=tuple(_pair(pair, file) for pair in settings.allowed_pairs),
    )


@dataclass
class _Pose:
    position: list[float] = MISSING
    quaternion: list[float] = MISSING  # x y z w


@dataclass
class _Speed:  # slow enough to step aside from; the fastest joint of a small arm moves its tool at some 0.5 m/s
    velocity: float = 1.0
    acceleration: float = 2.0


@dataclass
class _Table:
    height: float = 0.0
    clearance: float = 0.02


@dataclass
class _KeepOut:
    radius: float = MISSING
    height: float = MISSING


@dataclass
class _CameraBody:
    size: list[float] = MISSING
    position: list[float] = MISSING


@dataclass
class _RobotSettings:
    """The keys of a file in config/robots."""

    name: str = MISSING
    tried: str = MISSING
    base_frame: str = MISSING
    tool_frame: str = MISSING
    trajectory_action: str = MISSING
    joint_states: str = "/joint_states"
    T_world_base: _Pose = field(default_factory=_Pose)
    urdf: str | None = None  # relative to this file
    home: dict[str, float] | None = None
    speed: _Speed = field(default_factory=_Speed)
    table: _Table = field(default_factory=_Table)
    keep_out: _KeepOut | None = None
    camera_body: _CameraBody | None = None
    allowed_pairs: list[list[str]] = field(default_factory=list)


def _pose(pose: _Pose, file: Path) -> np.ndarray:
    position = _three(pose.position, "T_world_base.position", file)
    unit = are_numbers(pose.quaternion, 4) and abs(math.hypot(*pose.quaternion) - 1) < 1e-2
    require(unit, file, f"T_world_base.quaternion must be a unit quaternion [x, y, z, w], not {pose.quaternion}")
    return pose_of_numbers(position, pose.quaternion)


def _keep_out(zone: _KeepOut | None, file: Path) -> KeepOut | None:
    if zone is None:
        return None
    return KeepOut(
        _within(zone.radius, 0.01, 2.0, "keep_out.radius", "m", file),
        _within(zone.height, 0.01, 2.0, "keep_out.height", "m", file),
    )


def _camera_body(body: _CameraBody | None, file: Path) -> CameraBody | None:
    if body is None:
        return None
    size = _three(body.size, "camera_body.size", file)
    require(min(size) > 0, file, f"camera_body.size must be lengths above 0 m, not {body.size}")
    return CameraBody(size, _three(body.position, "camera_body.position", file))


def _pair(pair: list[str], file: Path) -> tuple[str, str]:
    require(len(pair) == 2, file, f"allowed_pairs: each is two names [link, link], not {pair}")
    return pair[0], pair[1]


def _three(values: list[float], key: str, file: Path) -> tuple[float, float, float]:
    require(are_numbers(values, 3), file, f"{key} must be three numbers [x, y, z] in metres, not {values}")
    x, y, z = values
    return x, y, z


def _within(value: float, low: float, high: float, key: str, unit: str, file: Path) -> float:
    require(low <= value <= high, file, f"{key} must be {low:g} to {high:g} {unit}, not {value:g}")
    return value
