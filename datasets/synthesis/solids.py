"""Signed distance functions of simple solids, and how they join. Points [...,3] -> [...], negative inside.

After Inigo Quilez' well known catalogue of distance functions; some are bounds, exact only where they are zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np

Point = Sequence[float]


def ellipsoid(points: np.ndarray, centre: Point, radii: Point) -> np.ndarray:
    """Half axes `radii` along x, y, z."""
    offset, axes = points - np.asarray(centre), np.asarray(radii, float)
    near, gradient = np.linalg.norm(offset / axes, axis=-1), np.linalg.norm(offset / axes**2, axis=-1)
    return near * (near - 1) / np.maximum(gradient, 1e-9)


def limb(points: np.ndarray, start: Point, end: Point, radius: float, end_radius: float) -> np.ndarray:
    """A rod with round ends, whose radius changes linearly from start to end."""
    origin = np.asarray(start, float)
    axis = np.asarray(end) - origin
    along = np.clip((points - origin) @ axis / (axis @ axis), 0, 1)
    return np.linalg.norm(points - origin - along[..., None] * axis, axis=-1) - (radius + (end_radius - radius) * along)


def torus(points: np.ndarray, centre: Point, radius: float, thickness: float) -> np.ndarray:
    """A ring in the xz plane: `radius` to the middle of a tube of radius `thickness`."""
    x, y, z = np.moveaxis(points - np.asarray(centre), -1, 0)
    return np.hypot(np.hypot(x, z) - radius, y) - thickness


def drum(points: np.ndarray, bottom: float, top: float, radius: float) -> np.ndarray:
    """An upright cylinder about the z axis."""
    x, y, z = np.moveaxis(points, -1, 0)
    return np.maximum(np.hypot(x, y) - radius, np.abs(z - (top + bottom) / 2) - (top - bottom) / 2)


def union(*solids: np.ndarray, blend: float = 0.08) -> np.ndarray:
    """Distances to solids joined with fillets about `blend` wide (polynomial smooth minimum)."""

    def join(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        overlap = np.maximum(blend - np.abs(a - b), 0) / blend
        return np.minimum(a, b) - overlap**2 * blend / 4

    return reduce(join, solids)


def without(solid: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """What is left of a solid."""
    return np.maximum(solid, -hole)
