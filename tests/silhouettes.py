"""Where cubes must appear in a picture, by projecting their corners."""

from __future__ import annotations

import itertools
from typing import Any

import cv2
import numpy as np

from datasets.camera import project

_CORNERS = np.array(list(itertools.product((-0.5, 0.5), repeat=3)))


def silhouette(cube: dict[str, Any], T_world_camera: np.ndarray, K: np.ndarray) -> np.ndarray:
    """The outline of a cube (as `Scene.objects` has it), a convex polygon float32 [N,2], pixels."""
    cos, sin = np.cos(cube["yaw"]), np.sin(cube["yaw"])
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    corners = cube["position"] + cube["size"] * _CORNERS @ turn.T
    return cv2.convexHull(project(corners, T_world_camera, K).astype(np.float32))[:, 0]


def centroid_errors(
    mask: np.ndarray, cubes: list[dict[str, Any]], T_world_camera: np.ndarray, K: np.ndarray
) -> list[float]:
    """How far each cube's mask centroid is from its outline's, pixels; of cubes that nothing cuts or covers."""
    height, width = mask.shape
    errors = []
    for i, cube in enumerate(cubes):
        outline = silhouette(cube, T_world_camera, K)
        rows, columns = np.nonzero(mask == i + 1)
        inside = (outline >= 0).all() and (outline <= [width - 1, height - 1]).all()
        if inside and len(rows) > 0.97 * cv2.contourArea(outline):
            moments = cv2.moments(outline)
            middle = np.array([moments["m10"], moments["m01"]]) / moments["m00"]
            errors.append(float(np.hypot(*(middle - [columns.mean(), rows.mean()]))))
    return errors
