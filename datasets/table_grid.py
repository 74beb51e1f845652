"""The table's plane made visible: a grid on z = 0 about the world's origin, and how it falls on a picture."""

from __future__ import annotations

import numpy as np

from datasets.camera import project_into
from datasets.scene import Scene

TABLE_STEP = 0.1  # metres between lines
TABLE_REACH = 1.5  # metres; a world in which cameras stand further out is no table top, and has wider grids
SHARE = 2 / 3  # of the way out to the cameras that the grid covers
SAMPLES = 25  # points of a line, as lenses bend it


def grid_step(scene: Scene) -> float:
    """Metres between the grid's lines: 10 cm on a table, 1 m in a world ten times as large."""
    return TABLE_STEP * 10 ** max(0.0, np.ceil(np.log10(_reach(scene) / TABLE_REACH)))


def grid_lines(scene: Scene) -> np.ndarray:
    """The ends of the grid's lines [N,2,3], world, metres."""
    step = grid_step(scene)
    half = np.ceil(SHARE * _reach(scene) / step) * step
    at = np.arange(-half, half + step / 2, step)
    ends = np.array([[[x, -half, 0.0], [x, half, 0.0]] for x in at])
    return np.concatenate([ends, ends[..., [1, 0, 2]]])


def axis_lines(scene: Scene) -> np.ndarray:
    """The world's axes x, y, z from the origin [3,2,3], as long as the grid's step."""
    return np.stack([np.zeros((3, 3)), grid_step(scene) * np.eye(3)], axis=1)


def picture_path(scene: Scene, view: int, lines: np.ndarray) -> str:
    """World lines [N,2,3] as an SVG path in a view's pixels, bent as the lens bends them."""
    height, width = scene.image_size
    along = np.linspace(0, 1, SAMPLES)[:, None]
    parts = []
    for start, end in lines:
        pixels = project_into(scene, view, start + along * (end - start))
        near = (np.abs(pixels - [width / 2, height / 2]) < [width, height]).all(1)  # False for NaN: behind the camera
        pen = "M"
        for (x, y), shown in zip(pixels, near, strict=True):
            if shown:
                parts.append(f"{pen}{x:.1f} {y:.1f}")
            pen = "L" if shown else "M"
    return "".join(parts)


def _reach(scene: Scene) -> float:
    """How far out the cameras stand, metres from the world's z axis."""
    return max(float(np.linalg.norm(scene.known_poses[:, :2, 3], axis=1).max()), 0.15)
