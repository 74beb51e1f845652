"""Where the objects of a still scene stand, from the directions that a moving camera sees them in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from datasets.camera import motion_between

MIN_MOTION = 0.02, np.deg2rad(4)  # metres or radians that the camera must have moved for a view to tell more
MIN_VIEWS = 3
MAX_VIEWS = 40
MAX_RESIDUAL = 0.015  # metres; above it the object has been moved, or is not one object


@dataclass(frozen=True)
class Triangulation:
    """`position` float64 [3] in the world; `residual`: root mean square distance of the rays from it, metres."""

    position: np.ndarray
    residual: float


def triangulate(origins: np.ndarray, directions: np.ndarray) -> Triangulation | None:
    """The point that is nearest to rays, in least squares; None where they are too parallel to tell.

    Args:
        origins: [V,3], in the world, metres.
        directions: [V,3], of any length.
    """
    directions = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    across = np.eye(3) - directions[:, :, None] * directions[:, None]  # projections onto the planes across the rays
    normal_matrix = across.sum(0)
    if np.linalg.eigvalsh(normal_matrix)[0] < 0.02 * len(origins):  # mean squared sine of the angle between rays
        return None
    position = np.linalg.solve(normal_matrix, np.einsum("vij,vj->i", across, origins))
    off = np.einsum("vij,vj->vi", across, position - origins)
    return Triangulation(position, float(np.sqrt((off**2).sum(1).mean())))


class ViewRays:
    """Rays towards tracked objects, of views that differ.

    An object whose rays no longer meet has been moved: it is forgotten, and begins anew.
    """

    def __init__(self) -> None:
        self._last_pose: np.ndarray | None = None
        self._rays: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}
        self._found: dict[int, Triangulation] = {}

    def see(self, rays: Mapping[int, np.ndarray], T_world_camera: np.ndarray) -> None:
        """Note in which directions [3], in the camera's optical frame, objects are seen, by their ids.

        A view from where the last one was taken is left out.
        """
        if self._last_pose is not None:
            metres, radians = motion_between(self._last_pose, T_world_camera)
            if metres < MIN_MOTION[0] and radians < MIN_MOTION[1]:
                return
        self._last_pose = T_world_camera
        for id_, ray in rays.items():
            of_object = self._rays.setdefault(id_, [])
            of_object.append((T_world_camera[:3, 3], T_world_camera[:3, :3] @ ray))
            del of_object[:-MAX_VIEWS]
            self._triangulate(id_)

    @property
    def positions(self) -> dict[int, np.ndarray]:
        """The objects' centres [3] in the world, metres, by their ids; of those that are seen from enough sides."""
        return {id_: found.position for id_, found in self._found.items()}

    def _triangulate(self, id_: int) -> None:
        origins, directions = map(np.array, zip(*self._rays[id_], strict=True))
        found = triangulate(origins, directions) if len(origins) >= MIN_VIEWS else None
        if found is not None and found.residual > MAX_RESIDUAL:
            self._rays[id_], found = self._rays[id_][-1:], None
        if found is None:
            self._found.pop(id_, None)
        else:
            self._found[id_] = found
