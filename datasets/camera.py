"""Camera geometry. Poses are T_world_camera in the OpenCV optical frame (x right, y down, z forward), metres."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from datasets.scene import Scene

TYPICAL_VIEW = np.deg2rad(42)  # vertical, where a scene does not tell its intrinsics
FRUSTUM_LENGTH = 0.12  # of the cameras' mean distance from the world's origin


def rigid(rotation: np.ndarray, translation: ArrayLike) -> np.ndarray:
    """The transform [4,4] of a rotation matrix [3,3] and a translation [3]."""
    transform = np.eye(4)
    transform[:3, :3], transform[:3, 3] = rotation, translation
    return transform


def look_at(position: np.ndarray, target: np.ndarray, roll: float = 0.0) -> np.ndarray:
    """The pose [4,4] of a camera at `position` that looks at `target`, world z up, rolled about its axis (radians)."""
    forward = np.asarray(target, np.float64) - position
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    if np.linalg.norm(right) < 1e-9:  # straight down or up: any right-hand direction does
        right = np.array([1.0, 0.0, 0.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    cos, sin = np.cos(roll), np.sin(roll)
    return rigid(np.column_stack([cos * right + sin * down, cos * down - sin * right, forward]), position)


def motion_between(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """How far two poses [4,4] are apart: metres between their origins, radians between their orientations.

    The angle t by ||A - B|| = 2 sqrt(2) sin(t / 2), Frobenius norm, which is exact for small ones, unlike the trace.
    """
    chord = np.linalg.norm(a[:3, :3] - b[:3, :3]) / np.sqrt(8)
    return float(np.linalg.norm(a[:3, 3] - b[:3, 3])), float(2 * np.arcsin(min(1.0, chord)))


def pinhole(height: int, width: int, vertical_fov: float) -> np.ndarray:
    """Intrinsics [3,3] of an ideal camera with square pixels, field of view in radians, pixel centres at integers."""
    focal = height / 2 / np.tan(vertical_fov / 2)
    return np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])


def project(
    points: np.ndarray, T_world_camera: np.ndarray, K: np.ndarray, distortion: np.ndarray | None = None
) -> np.ndarray:
    """Project world points [N,3] to pixels [N,2] (x, y); NaN for points behind the camera.

    Args:
        distortion: float64 [5], OpenCV order (k1 k2 p1 p2 k3); None for an ideal lens.
    """
    camera = (points - T_world_camera[:3, 3]) @ T_world_camera[:3, :3]
    depth = camera[:, 2:]
    if distortion is not None and np.any(distortion):
        import cv2

        pixels = cv2.projectPoints(camera, np.zeros(3), np.zeros(3), K, distortion)[0][:, 0]
    else:
        pixels = (camera @ K.T)[:, :2] / np.where(depth > 0, depth, 1)
    return np.where(depth > 0, pixels, np.nan)


def project_into(scene: Scene, view: int, points: np.ndarray) -> np.ndarray:
    """Project world points [N,3] to pixels [N,2] of a scene's view; NaN for points behind the camera.

    Raises:
        DatasetError: the scene has no poses or no K.
    """
    return project(points, scene.known_poses[view], scene.known_K[view], scene.distortion_of(view))


def frusta(scene: Scene) -> np.ndarray:
    """World points [V,5,3] to draw cameras by: each one's centre, and its picture's corners in order around it."""
    height, width = scene.image_size
    K = np.broadcast_to(pinhole(height, width, TYPICAL_VIEW), (scene.num_views, 3, 3)) if scene.K is None else scene.K
    pixels = np.array([[0, 0, 1], [width - 1, 0, 1], [width - 1, height - 1, 1], [0, height - 1, 1]], np.float64)
    poses = scene.known_poses
    length = FRUSTUM_LENGTH * float(np.linalg.norm(poses[:, :3, 3], axis=1).mean())
    rays = length * np.einsum("vij,cj->vci", np.linalg.inv(K), pixels)
    corners = np.concatenate([np.zeros((len(poses), 1, 3)), rays], axis=1)
    return np.einsum("vij,vcj->vci", poses[:, :3, :3], corners) + poses[:, None, :3, 3]
