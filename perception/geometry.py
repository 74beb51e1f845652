"""Where objects stand, from masks and depth.

Everything is metric, in metres; pixels are (x, y), the centre of the top left one is (0, 0).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from datasets.camera import rigid
from datasets.table_plane import MIN_PLANE_SHARE, MIN_POINTS, Plane, find_table, points_of_pixels

MIN_HEIGHT = 0.004  # above the table, below which a point is the table's, at the rim of a mask
_OF_TABLE = 5000  # background points that a plane is fitted to
_OF_OBJECT = 5000  # points of an object
_SPECK = 0.01  # metres
_TOP = 99  # percentile of the heights that is an object's: depth is noisy


class NoTable(ValueError):
    """Depth shows no plane that a table could be."""


@dataclass(frozen=True)
class Placement:
    """An upright box around an object that stands on the table, in the frame of the depth's camera.

    Attributes:
        T_camera_box: float64 [4,4]; the origin is the box's centre, z points away from the table.
        size: float64 [3], the lengths of its edges along x, y, z; x is the longer side of its footprint.
        points: float64 [P,3] of its visible surface.
    """

    T_camera_box: np.ndarray
    size: np.ndarray
    points: np.ndarray


def place_objects(
    labels: np.ndarray, depth: np.ndarray, K: np.ndarray, distortion: np.ndarray | None = None
) -> dict[int, Placement]:
    """The objects of a label image that stand on a table, by their ids. Those with too little depth are left out.

    An object's footprint is the smallest rectangle around what is seen of it, projected onto the table; seen from
    obliquely above, the whole outline of a box or a cylinder is.

    Args:
        labels: int32 [H,W], 0 = background, as the depth image float32 [H,W], metres.

    Raises:
        NoTable: there are objects, but no plane that they stand on.
        ValueError: the images differ in size.
    """
    if labels.shape != depth.shape:
        raise ValueError(
            f"depth of {depth.shape[1]} x {depth.shape[0]} pixels does not fit labels of {labels.shape[1]} x "
            f"{labels.shape[0]}: it must be aligned to the colour image"
        )
    if not labels.any():
        return {}
    table = find_table(points_of_pixels(*_background(labels, depth), depth, K, distortion))
    if table is None:
        raise NoTable(
            f"no table plane in the depth: no plane holds {MIN_PLANE_SHARE:.0%} of what it shows beside the objects; "
            "is the table in view, and its depth known?"
        )
    rows, columns = _inner_pixels(labels, depth)
    ids = labels[rows, columns]
    placed: dict[int, Placement] = {}
    for id_ in np.unique(ids).tolist():
        own = np.flatnonzero(ids == id_)
        own = own[:: max(1, len(own) // _OF_OBJECT)]
        points = points_of_pixels(rows[own], columns[own], depth, K, distortion)
        points = points[table.heights(points) > MIN_HEIGHT]
        if len(points) >= MIN_POINTS:
            placed[id_] = _boxed(points, table)
    return placed


def _background(labels: np.ndarray, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of background pixels of known depth, on a grid of about `_OF_TABLE`."""
    step = max(1, round(np.sqrt(labels.size / _OF_TABLE)))
    rows, columns = np.nonzero((labels[::step, ::step] == 0) & (depth[::step, ::step] > 0))
    return step * rows, step * columns


def _inner_pixels(labels: np.ndarray, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the objects' pixels of known depth: not at the rims of labels, and not flying in the air."""
    shown = labels > 0
    window = tuple(_stretch(shown.max(axis)) for axis in (1, 0))
    labels, depth = labels[window], depth[window].astype(np.float32, copy=False)
    rims = cv2.morphologyEx(labels.astype(np.float32), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    flying = np.abs(depth - cv2.medianBlur(depth, 5)) >= _SPECK
    rows, columns = np.nonzero((labels > 0) & (depth > 0) & ~rims & ~flying)
    return rows + window[0].start, columns + window[1].start


def _stretch(shown: np.ndarray) -> slice:
    """From the first to the last index that is shown, bool [N], and as far beyond as a filter looks."""
    first, last = np.flatnonzero(shown)[[0, -1]].tolist() if shown.any() else (0, 0)
    return slice(max(0, first - 2), last + 3)


def _boxed(points: np.ndarray, table: Plane) -> Placement:
    heights = table.heights(points)
    height = float(np.percentile(heights, _TOP))
    x, y = _axes_across(table.normal)
    flat = np.column_stack([points @ x, points @ y]).astype(np.float32)
    (u, v), (length, width), degrees = cv2.minAreaRect(flat)
    turn = np.deg2rad(degrees)
    if width > length:
        length, width, turn = width, length, turn + np.pi / 2
    long = np.cos(turn) * x + np.sin(turn) * y
    axes = np.column_stack([long, np.cross(table.normal, long), table.normal])
    centre = u * x + v * y + (table.offset + height / 2) * table.normal
    return Placement(rigid(axes, centre), np.array([length, width, height]), points)


def _axes_across(normal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two unit vectors that are at right angles to a third one and to each other; right-handed with it last."""
    x = np.eye(3)[np.abs(normal).argmin()]
    x = x - (x @ normal) * normal
    x /= np.linalg.norm(x)
    return x, np.cross(normal, x)
