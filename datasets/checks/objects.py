"""Masks and objects' positions: every mask must lie where its object is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from datasets.camera import project
from datasets.checks.findings import Findings, listed
from datasets.scene import Scene

OUTSIDE_SILHOUETTE = 0.1  # of an object's visible pixels; more of them means that the mask is another object's
CENTRE_ERROR = 0.06  # of the image's width; a scene's median above it means wrong poses, intrinsics or positions
CUBE_CENTRE_ERROR = 5 / 640  # the same where the objects' shapes are known
SWAP_GAIN = 0.1  # of the image's width; what giving masks to other objects must save before ids count as mixed up
WHOLE = 0.99  # of a cube's projected area; a mask that holds less of it is hidden in part
CORNERS = np.stack(np.meshgrid(*[(-0.5, 0.5)] * 3), axis=-1).reshape(8, 3)


def check_masks(findings: Findings, scene: Scene) -> None:
    """Ids belong to objects, and every object's mask lies within its own silhouette."""
    largest = int(scene.masks.max())
    if largest > scene.num_objects:
        findings.problems.append(f"{scene.name}: masks hold id {largest}, the scene has {scene.num_objects} objects")
    for i in range(scene.num_objects):
        visible = scene.masks == i + 1
        pixels = visible.sum((1, 2))
        findings.visible_pixels += pixels[pixels > 0].tolist()
        findings.hidden += int((pixels == 0).sum())
        if not pixels.any():
            findings.notes.append(f"{scene.name}: object {i} is seen in no view")
        if scene.amodal_masks is not None and i < scene.amodal_masks.shape[1]:
            outside = (visible & ~scene.amodal_masks[:, i]).sum((1, 2))
            bad = np.flatnonzero(outside > OUTSIDE_SILHOUETTE * np.maximum(pixels, 1))
            if len(bad):
                findings.problems.append(
                    f"{scene.name}: object {i}'s mask leaves its own silhouette in views {listed(bad)}; "
                    f"ids are mixed up between objects"
                )


def check_positions(findings: Findings, scene: Scene) -> None:
    """Project the objects: they must fall on their own masks."""
    known = [o.get("position") for o in scene.objects]
    if scene.T_world_camera is None or scene.K is None or not known or None in known:
        return
    positions, width = np.array(known, np.float64), scene.image_size[1]
    cubes = all(o.get("shape") == "cube" and {"size", "yaw"} <= set(o) for o in scene.objects)
    by_view, swapped = _errors(scene, _cube_errors if cubes else _centre_errors), []
    if cubes and not any(by_view):  # grossly wrong poses make no cube look whole
        cubes, by_view = False, _errors(scene, _centre_errors)
    errors = [error for of_view in by_view for error in of_view]
    for view in range(scene.num_views):
        centres = project(positions, scene.T_world_camera[view], scene.K[view], scene.distortion_of(view))
        visible = [i for i in range(len(known)) if (scene.masks[view] == i + 1).any() and np.isfinite(centres[i]).all()]
        if len(visible) > 1:
            findings.identity_views += 1
            if _swap_gain(scene.masks[view], centres, visible) > SWAP_GAIN * width:
                swapped.append(view)
            else:
                findings.identity_agrees += 1
    findings.centre_errors += errors
    limit = (CUBE_CENTRE_ERROR if cubes else CENTRE_ERROR) * width
    stray = [view for view, of_view in enumerate(by_view) if cubes and any(error > limit for error in of_view)]
    if stray and len(stray) < scene.num_views / 2:
        findings.problems.append(
            f"{scene.name}: cubes' projected outlines do not lie on their masks in views {listed(stray)}; "
            f"these pictures were taken from elsewhere: a frozen or late camera, or wrong poses"
        )
    elif errors and not np.median(errors) <= limit:
        findings.problems.append(
            f"{scene.name}: objects' projected positions lie {np.median(errors):.1f} px (median) from their masks; "
            f"poses, intrinsics or positions are wrong"
        )
    elif swapped:
        findings.problems.append(
            f"{scene.name}: masks lie at other objects' places in views {listed(swapped)}; ids differ between views"
        )


def _errors(scene: Scene, of_view: Callable[[Scene, int], list[float]]) -> list[list[float]]:
    return [of_view(scene, view) for view in range(scene.num_views)]


def _centre_errors(scene: Scene, view: int) -> list[float]:
    """Pixels from each projected position to its silhouette's centroid; a few even where all is right."""
    positions = np.array([o["position"] for o in scene.objects], np.float64)
    centres = project(positions, scene.T_world_camera[view], scene.K[view], scene.distortion_of(view))
    silhouettes = _silhouettes(scene, view)
    whole = [i for i, region in enumerate(silhouettes) if region.any() and not _touches_border(region)]
    return [float(np.linalg.norm(_centroid(silhouettes[i]) - centres[i])) for i in whole]


def _cube_errors(scene: Scene, view: int) -> list[float]:
    """Pixels from the centroid of each cube's projected outline to its mask's: sub-pixel where all is right.

    Only of cubes that are seen whole; a position's projection is not where the outline has its middle.
    """
    import cv2

    errors = []
    for i, cube in enumerate(scene.objects):
        region = scene.masks[view] == i + 1
        corners = project(_corners(cube), scene.T_world_camera[view], scene.K[view], scene.distortion_of(view))
        if not region.any() or _touches_border(region) or not np.isfinite(corners).all():
            continue
        outline = cv2.moments(cv2.convexHull(corners.astype(np.float32)))
        if region.sum() >= WHOLE * outline["m00"] > 0:
            centre = np.array([outline["m10"], outline["m01"]]) / outline["m00"]
            errors.append(float(np.linalg.norm(_centroid(region) - centre)))
    return errors


def _corners(cube: dict) -> np.ndarray:
    """A cube's corners [8,3] in the world, metres."""
    cos, sin = np.cos(cube["yaw"]), np.sin(cube["yaw"])
    turned = CORNERS @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    return np.array(cube["position"]) + cube["size"] * turned


def _silhouettes(scene: Scene, view: int) -> list[np.ndarray]:
    if scene.amodal_masks is not None:
        return list(scene.amodal_masks[view])
    return [scene.masks[view] == i + 1 for i in range(scene.num_objects)]


def _swap_gain(mask: np.ndarray, centres: np.ndarray, visible: list[int]) -> float:
    """By how many pixels the masks come nearer to the projected centres, summed, if their ids may be exchanged."""
    from scipy.optimize import linear_sum_assignment

    centroids = np.array([_centroid(mask == i + 1) for i in visible])
    distances = np.linalg.norm(centroids[:, None] - centres[visible], axis=-1)
    return float(np.trace(distances) - distances[linear_sum_assignment(distances)].sum())


def _centroid(region: np.ndarray) -> np.ndarray:
    y, x = np.nonzero(region)
    return np.array([x.mean(), y.mean()])


def _touches_border(region: np.ndarray) -> bool:
    return bool(region[[0, -1]].any() or region[:, [0, -1]].any())
