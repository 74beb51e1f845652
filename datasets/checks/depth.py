"""Depth: how much of it is known, in which unit, and whether all views see one table where the poses put it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datasets.checks.findings import Findings, listed
from datasets.scene import Scene
from datasets.table_plane import PLANE_TOLERANCE, find_table, points_of_pixels

KNOWN = 0.2  # of a view's pixels whose depth is known; fewer show nothing
USUAL = (0.02, 100.0)  # metres; a median depth beyond is told in another unit
HEIGHT, TILT = 0.01, np.deg2rad(1)  # metres, radians; tables of one scene that differ more are not one table
SEARCHED = 0.05  # metres from the others' table within which a view that disagrees is asked once more
ENOUGH = 0.1  # of a view's points that must lie there
POINTS = 5000  # of a view
FEWEST_VIEWS, LEFT, SURE = 12, 0.4, 0.2  # to tell where the camera sits: views; shares of what disagrees, of the result


@dataclass(frozen=True)
class Table:
    """A plane that a view's depth shows, in the world: its unit normal [3], and a point [3] amid what is seen of it."""

    normal: np.ndarray
    place: np.ndarray

    def heights(self, points: np.ndarray) -> np.ndarray:
        """Of points [N,3] above the plane, metres [N]."""
        return (points - self.place) @ self.normal

    def agrees(self, other: Table) -> bool:
        return abs(float(self.heights(other.place))) < HEIGHT and self.tilt(other) < TILT

    def tilt(self, other: Table) -> float:
        """The angle between two planes, radians."""
        return float(np.arccos(np.clip(self.normal @ other.normal, -1, 1)))


def check_depth(findings: Findings, scene: Scene) -> bool:
    """Judge a scene's depth, and its poses by it; whether these could be judged."""
    if scene.depth is None:
        return False
    problems = _unknown(scene) or _unit(scene)
    judged = False
    if not problems and scene.T_world_camera is not None and scene.K is not None:
        tables = {view: table for view in range(scene.num_views) if (table := _table(scene, view)) is not None}
        judged = len(tables) > max(1, scene.num_views / 2)
        problems = _disagreement(findings, scene, tables) if judged else []
    findings.problems += [f"{scene.name}: {problem}" for problem in problems]
    return judged


def _unknown(scene: Scene) -> list[str]:
    known = (scene.known_depth > 0).mean((1, 2))
    bad = np.flatnonzero(known < KNOWN)
    if not len(bad):
        return []
    return [f"depth is known of {known[bad].min():.0%} of the picture only in views {listed(bad)}; {KNOWN:.0%} are due"]


def _unit(scene: Scene) -> list[str]:
    median = float(np.median(scene.known_depth[scene.known_depth > 0]))
    if USUAL[0] <= median <= USUAL[1]:
        return []
    return [f"depth is {median:.4g} m (median): it is told in another unit, or its scale is wrong"]


def _disagreement(findings: Findings, scene: Scene, tables: dict[int, Table]) -> list[str]:
    most = max(tables.values(), key=lambda table: sum(table.agrees(other) for other in tables.values()))
    for view in [view for view, table in tables.items() if not most.agrees(table)]:
        tables[view] = _table(scene, view, most) or tables[view]
    heights = np.array([most.heights(table.place) for table in tables.values()])
    findings.table_errors += np.abs(heights).tolist()
    wrong = {view: table for view, table in tables.items() if not most.agrees(table)}
    moved = _moved_on_mount(scene.known_poses[list(tables), :3, :3], most.normal, heights)
    if not wrong and not moved:
        return []
    apart = f"{100 * np.abs(heights).max():.1f} cm and {np.rad2deg(max(map(most.tilt, tables.values()))):.1f} deg apart"
    where = f" (views {listed(wrong)})" if wrong else ""
    return [
        f"depth shows tables up to {apart}{where} where there is one: hand-eye calibration or poses are off, or the "
        f"depth is of another scale or not aligned to the pictures{moved}"
    ]


def _moved_on_mount(rotations: np.ndarray, normal: np.ndarray, heights: np.ndarray) -> str:
    """By how much another place of the camera on its mount would make the views agree, in words; nothing where none.

    Args:
        rotations: of the camera in the world [V,3,3].
        normal: of the table [3].
        heights: of the tables that the views show [V], over any plane.
    """
    if len(heights) < FEWEST_VIEWS or not np.isfinite(heights).all():  # poses may be absurdly far away
        return ""
    unknowns = np.column_stack([np.einsum("vij,i->vj", rotations, normal), np.ones(len(heights))])
    solved, _, rank, _ = np.linalg.lstsq(unknowns, heights, rcond=None)
    left = heights - unknowns @ solved
    place = float(np.linalg.norm(solved[:3]))
    if rank < 4 or place < HEIGHT or left.std() > LEFT * heights.std() or not _is_sure(unknowns, left, place):
        return ""
    return f"; with the camera moved by {100 * place:.1f} cm on its mount they would agree"


def _is_sure(unknowns: np.ndarray, left: np.ndarray, place: float) -> bool:
    """Whether the standard error of a fitted place is small beside it."""
    variance = (left**2).sum() / (len(left) - 4) * np.trace(np.linalg.inv(unknowns.T @ unknowns)[:3, :3])
    return bool(np.sqrt(variance) < SURE * place)


def _table(scene: Scene, view: int, near: Table | None = None) -> Table | None:
    """The table that a view's depth shows; None where it shows none.

    Args:
        near: look only near this one: the view may show more of the floor.
    """
    points = _points(scene, view)
    pose = scene.known_poses[view]
    if near is not None:
        kept = np.abs(near.heights(points @ pose[:3, :3].T + pose[:3, 3])) < SEARCHED
        points = points[kept] if kept.mean() > ENOUGH else points[:0]
    plane = find_table(points)
    if plane is None:
        return None
    middle = points[np.abs(plane.heights(points)) < PLANE_TOLERANCE].mean(0)
    return Table(pose[:3, :3] @ plane.normal, pose[:3, :3] @ middle + pose[:3, 3])


def _points(scene: Scene, view: int) -> np.ndarray:
    """About `POINTS` points [N,3] of a view in its camera's frame, of pixels on a grid."""
    depth = scene.known_depth[view]
    step = max(1, round(np.sqrt(depth.size / POINTS)))
    rows, columns = np.nonzero(depth[::step, ::step])
    return points_of_pixels(step * rows, step * columns, depth, scene.known_K[view], scene.distortion_of(view))
