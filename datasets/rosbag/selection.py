"""Which pictures of a bag become views, and where a scene ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from datasets.camera import motion_between
from datasets.rosbag.transforms import NoPose

PROBE = 10**8  # nanoseconds before and after a picture between which the camera's speed is measured


@dataclass(frozen=True)
class Rules:
    """How views are chosen.

    Attributes:
        every: seconds between views; None: by motion.
        min_distance, min_angle: metres or radians that the camera moves from one view to the next.
        max_speed, max_turn: metres and radians a second; a camera that moves faster is not still.
        scene_gap: seconds without a picture after which a new scene begins.
    """

    every: float | None = None
    min_distance: float = 0.03
    min_angle: float = np.deg2rad(5)
    max_speed: float = 0.01
    max_turn: float = np.deg2rad(1)
    scene_gap: float = 10.0


@dataclass
class Selection:
    """Scenes as lists of chosen pictures, (stamp in nanoseconds, T_world_camera); and what was left out, by reason."""

    scenes: list[list[tuple[int, np.ndarray]]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def select_views(
    stamps: Sequence[int], markers: Sequence[int], pose: Callable[[int], np.ndarray], rules: Rules
) -> Selection:
    """Choose views among pictures.

    Args:
        stamps: of the pictures, nanoseconds, as they were recorded.
        markers: moments, nanoseconds, at each of which a new scene begins.
        pose: the camera's pose [4,4] at a moment in nanoseconds; raises NoPose.
    """
    selection = Selection()
    last: int | None = None
    for stamp in sorted(set(stamps)):
        if last is None or stamp - last > rules.scene_gap * 1e9 or any(last < marker <= stamp for marker in markers):
            selection.scenes.append([])
        last = stamp
        reason = _reason_against(stamp, selection.scenes[-1], pose, rules)
        if reason:
            selection.left_out[reason] += 1
    if len(stamps) > len(set(stamps)):
        selection.left_out["repeats the stamp of another picture"] = len(stamps) - len(set(stamps))
    single = [scene for scene in selection.scenes if len(scene) == 1]
    if single:
        selection.left_out["the only view of its scene"] = len(single)
    selection.scenes = [scene for scene in selection.scenes if len(scene) > 1]
    return selection


def _reason_against(stamp: int, scene: list, pose: Callable[[int], np.ndarray], rules: Rules) -> str | None:
    """Take a picture into the scene, or say why not."""
    if rules.every is not None and scene and stamp - scene[-1][0] < rules.every * 1e9:
        return f"less than {rules.every:g} s after the last view"
    try:
        here = pose(stamp)
        moving = rules.every is None and not _still(stamp, pose, rules)
    except NoPose as error:
        return str(error)
    if moving:
        return "the camera moves"
    if rules.every is None and scene:
        distance, angle = motion_between(scene[-1][1], here)
        if distance < rules.min_distance and angle < rules.min_angle:
            return "nearly the same place as the last view"
    scene.append((stamp, here))
    return None


def _still(stamp: int, pose: Callable[[int], np.ndarray], rules: Rules) -> bool:
    """At the ends of tf the camera's speed is measured on one side."""
    around = []
    for moment in (stamp - PROBE, stamp, stamp + PROBE):
        try:
            around.append((moment, pose(moment)))
        except NoPose:
            continue
    if len(around) < 2:
        raise NoPose("tf tells no speed around the image's stamp")
    (first, before), (second, after) = around[0], around[-1]
    distance, angle = motion_between(before, after)
    seconds = (second - first) * 1e-9
    return distance <= rules.max_speed * seconds and angle <= rules.max_turn * seconds
