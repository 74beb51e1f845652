"""Where an arm puts the camera to see the board from many sides: tilted, rolled, near and far."""

from __future__ import annotations

import numpy as np

from capture.calibration.poses import inverse, pose
from capture.errors import MotionError
from capture.motion.planning import Planner
from capture.motion.view_order import shortest_tour

TILT = np.deg2rad(35)  # between the line of sight and the board's normal, at most
DISTANCE = (0.30, 0.48)  # metres from the board's middle
AIM = 0.03  # metres beside the middle, normal error: the board is to be all over the picture
ROLL = np.deg2rad(60)  # to both sides; the last joint turns by so much
ATTEMPTS = 6  # times the wanted number of poses


def camera_poses_around(
    T_world_board: np.ndarray, middle: np.ndarray, count: int, rng: np.random.Generator, aim: float = AIM
) -> np.ndarray:
    """T_world_camera [count,4,4] that look at the board; their roll is left to the arm.

    Args:
        middle: of the pattern, float64 [3] in the board's frame (x right, y down, z into the paper).
        aim: how far beside the middle they look, standard deviation, metres.
    """
    poses = []
    for i in range(count):
        azimuth = 2 * np.pi * (i + rng.uniform()) * 0.6180339887  # golden ratio: all around for any count
        tilt = TILT * np.sqrt(rng.uniform(0.05, 1))
        away = np.array([np.sin(tilt) * np.cos(azimuth), np.sin(tilt) * np.sin(azimuth), -np.cos(tilt)])
        target = middle + np.array([*rng.normal(0, aim, 2), 0])
        sight = -away
        right = np.cross([0.0, 1.0, 0.0], sight)
        right /= np.linalg.norm(right)
        rotation = np.column_stack([right, np.cross(sight, right), sight])
        poses.append(T_world_board @ pose(rotation, target + rng.uniform(*DISTANCE) * away))
    return np.array(poses)


def plan_board_views(
    planner: Planner, T_tool_camera: np.ndarray, T_world_board: np.ndarray, middle: np.ndarray,
    start: np.ndarray, count: int, seed: int, aim: float = AIM,
) -> list[np.ndarray]:  # fmt: skip
    """Joint angles [J] of up to `count` views, in the order of a short tour from `start` [J].

    Args:
        T_tool_camera: roughly where the camera is on the tool; 3 cm and 5 degrees off do no harm.
        T_world_board: roughly where the board lies.

    Raises:
        MotionError: fewer than half of them can be reached without hitting something; says why.
    """
    rng = np.random.default_rng(seed)
    T_base_world = inverse(planner.profile.T_world_base)
    postures: list[np.ndarray] = []
    reasons: list[str] = []
    for T_world_camera in camera_poses_around(T_world_board, middle, ATTEMPTS * count, rng, aim):
        rolled = start.copy()
        rolled[-1] += rng.uniform(-ROLL, ROLL)
        found = planner.kinematics.inverse(T_base_world @ T_world_camera, T_tool_camera, rolled, rng, solutions=2)
        blocked = [planner.collisions.why_not(q) for q in found]
        free = [q for q, reason in zip(found, blocked, strict=True) if reason is None]
        reasons += [reason for reason in blocked if reason] or ([] if found else ["out of reach"])
        if free:
            postures.append(np.stack(free[:1]))
        if len(postures) == count:
            break
    if len(postures) < count / 2:
        common = max(set(reasons), key=reasons.count) if reasons else "no reason"
        raise MotionError(
            f"only {len(postures)} of {count} poses around the board can be reached (mostly: {common}): put the board "
            "in the middle of the arm's reach, or guide the arm by hand, without --auto"
        )

    def is_free(here: np.ndarray, there: np.ndarray) -> bool:
        return planner.collisions.why_not_path(here, there) is None

    return [joints for _, joints in shortest_tour(start, postures, planner.duration, is_free)]
