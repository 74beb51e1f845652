"""The surface of a solid that a signed distance function describes, as a closed triangle mesh."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

SignedDistance = Callable[[np.ndarray], np.ndarray]  # points [...,3] -> [...], negative inside


def extract_surface(solid: SignedDistance, extent: float, cell: float) -> tuple[np.ndarray, np.ndarray]:
    """Vertices [N,3] and triangles [M,3] of a solid within the cube [-extent, extent]^3, seen on a grid of this cell.

    Naive surface nets (Gibson, "Constrained elastic surface nets", 1998): one vertex in every grid cell that the
    surface passes, in the middle of where it crosses the cell's edges; one quadrangle, here two triangles, around
    every grid edge that it crosses. So every edge of the mesh is shared, which makes it watertight. Triangles turn
    counter-clockwise, seen from outside.

    Raises:
        ValueError: the solid reaches the border of the cube.
    """
    steps = np.arange(-extent, extent + cell, cell)
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1)
    values = solid(grid)
    if min(side.min() for axis in range(3) for side in (values.take(0, axis), values.take(-1, axis))) <= 0:
        raise ValueError(f"the solid reaches out of the cube of half width {extent}")
    crossings, quads = (np.concatenate(part) for part in zip(*(_crossed(values, a) for a in range(3)), strict=True))
    cells, corner = np.unique(quads, return_inverse=True)
    corner = corner.reshape(quads.shape)
    total, count = np.zeros((len(cells), 3)), np.bincount(corner.ravel())
    np.add.at(total, corner, crossings[:, None])
    triangles = corner[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3)
    return total / count[:, None] * cell - extent, triangles


def _crossed(values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Grid edges along `axis` that the surface crosses: where [E,3], in cells, and the 4 cells around each [E,4]."""
    low, high = values.take(range(values.shape[axis] - 1), axis), values.take(range(1, values.shape[axis]), axis)
    edges = np.argwhere((low < 0) != (high < 0))
    before, after = low[tuple(edges.T)], high[tuple(edges.T)]
    where = edges.astype(float)
    where[:, axis] += before / (before - after)
    second, third = np.eye(3, dtype=int)[[(axis + 1) % 3, (axis + 2) % 3]]
    around = edges[:, None] - np.array([second + third, third, 0 * second, second])  # turns about +axis
    quads = np.ravel_multi_index(np.moveaxis(around, -1, 0), values.shape)
    outwards = (before < 0)[:, None]  # the solid lies below: +axis points out of it
    return where, np.where(outwards, quads, quads[:, ::-1])
