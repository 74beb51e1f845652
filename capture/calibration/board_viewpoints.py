"""Where an arm puts the camera to see the board from many sides: tilted, rolled, near and far."""

from __future__ import annotations

from collections import Counter

import numpy as np

from capture.errors import MotionError
from capture.motion.planning import Planner
from capture.motion.view_order import shortest_tour
from capture.motion.viewpoints import GOLDEN
from datasets.camera import look_at

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
        azimuth = 2 * np.pi * (i + rng.uniform()) * GOLDEN  # all around, for any count
        tilt = TILT * np.sqrt(rng.uniform(0.05, 1))
        away = np.array([np.sin(tilt) * np.cos(azimuth), np.sin(tilt) * np.sin(azimuth), -np.cos(tilt)])
        target = middle + np.array([*rng.normal(0, aim, 2), 0])
        poses.append(T_world_board @ look_at(target + rng.uniform(*DISTANCE) * away, target))
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
    reached: list[np.ndarray] = []  # of each view, joint angles [1,J]
    reasons: Counter[str] = Counter()
    for T_world_camera in camera_poses_around(T_world_board, middle, ATTEMPTS * count, rng, aim):
        rolled = start.copy()
        rolled[-1] += rng.uniform(-ROLL, ROLL)
        postures = planner.postures(T_world_camera, T_tool_camera, rolled, rng, solutions=2)
        if postures.free:
            reached.append(np.stack(postures.free[:1]))
        else:
            reasons[postures.reason] += 1
        if len(reached) == count:
            break
    if len(reached) < count / 2:
        raise MotionError(
            f"only {len(reached)} of {count} poses around the board can be reached (mostly: "
            f"{reasons.most_common(1)[0][0]}): put the board in the middle of the arm's reach, or guide the arm by "
            "hand, without --auto"
        )
    return [joints for _, joints in shortest_tour(start, reached, planner.duration, planner.is_free)]
