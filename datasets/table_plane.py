"""The table in a depth image: points of pixels, and the plane that most of them lie on.

Everything is metric, in metres; pixels are (x, y), the centre of the top left one is (0, 0).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PLANE_TOLERANCE = 0.006  # how far points of the table may lie from it
MIN_PLANE_SHARE = 0.4  # of the points that a table must make up
MIN_POINTS = 30
_TRIES = 100  # of planes through three points: one in a hundred times none is the table's, at MIN_PLANE_SHARE
_SAMPLED = 500  # points that planes are tried on


@dataclass(frozen=True)
class Plane:
    """The points p with p @ normal = offset; `normal` [3] is a unit vector that points to the camera's side."""

    normal: np.ndarray
    offset: float

    def heights(self, points: np.ndarray) -> np.ndarray:
        """Of points [N,3] above the plane, [N]."""
        return points @ self.normal - self.offset


def points_of_pixels(
    rows: np.ndarray, columns: np.ndarray, depth: np.ndarray, K: np.ndarray, distortion: np.ndarray | None = None
) -> np.ndarray:
    """float64 [P,3]: the points that pixels show, in the camera's optical frame.

    Args:
        rows, columns: int [P], which pixels.
        depth: float32 [H,W], metres along the optical axis.
        distortion: float64 [5], OpenCV order; None for an ideal lens.
    """
    return pixel_rays(np.column_stack([columns, rows]), K, distortion) * depth[rows, columns, None].astype(np.float64)


def pixel_rays(pixels: np.ndarray, K: np.ndarray, distortion: np.ndarray | None = None) -> np.ndarray:
    """float64 [N,3] with z = 1: where pixels [N,2] look, in the camera's optical frame."""
    pixels = np.asarray(pixels, np.float64)
    if distortion is not None and np.any(distortion):
        import cv2

        flat = cv2.undistortPoints(pixels[:, None], K, distortion)[:, 0]
    else:
        flat = (pixels - K[:2, 2]) / K[[0, 1], [0, 1]]
    return np.column_stack([flat, np.ones(len(flat))])


def find_table(points: np.ndarray, seed: int = 0) -> Plane | None:
    """The plane that most points [N,3] lie on (RANSAC); None where none holds `MIN_PLANE_SHARE` of them.

    The camera is at the origin.
    """
    if len(points) < MIN_POINTS:
        return None
    rng = np.random.default_rng(seed)
    few = points[rng.choice(len(points), min(_SAMPLED, len(points)), replace=False)]
    corners = few[rng.integers(0, len(few), (_TRIES, 3))]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    normals = normals[lengths > 1e-9] / lengths[lengths > 1e-9, None]
    offsets = (corners[lengths > 1e-9, 0] * normals).sum(1)
    if not len(normals):
        return None
    near = np.abs(few @ normals.T - offsets) < PLANE_TOLERANCE
    best = int(near.sum(0).argmax())
    if near[:, best].mean() < MIN_PLANE_SHARE:
        return None
    return _fitted(points[np.abs(points @ normals[best] - offsets[best]) < PLANE_TOLERANCE])


def _fitted(points: np.ndarray) -> Plane:
    """The plane with the least squared distances to points."""
    centre = points.mean(0)
    normal = np.linalg.eigh(np.cov((points - centre).T))[1][:, 0]
    if normal @ centre > 0:  # away from the camera
        normal = -normal
    return Plane(normal, float(centre @ normal))
