"""Masks and objects' positions: every mask must lie where its object is."""

from __future__ import annotations

import numpy as np

from datasets.camera import project_into
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
    masks = scene.known_masks
    largest = int(masks.max())
    if largest > scene.num_objects:
        findings.problems.append(f"{scene.name}: masks hold id {largest}, the scene has {scene.num_objects} objects")
    for i in range(scene.num_objects):
        visible = masks == i + 1
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


def check_positions(findings: Findings, scene: Scene) -> bool:
    """Project the objects: they must fall on their own masks. Whether any of them could be judged."""
    if scene.T_world_camera is None or scene.K is None or not scene.objects:
        return False
    if any(o.get("position") is None for o in scene.objects):
        return False
    cubes, by_view = _errors_by_view(scene)
    errors = [error for of_view in by_view for error in of_view]
    findings.centre_errors += errors
    swapped = _swapped_views(findings, scene)
    limit = (CUBE_CENTRE_ERROR if cubes else CENTRE_ERROR) * scene.image_size[1]
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
    return bool(errors)


def _errors_by_view(scene: Scene) -> tuple[bool, list[list[float]]]:
    """By how many pixels masks lie off in each view, and whether that is told by cubes' outlines."""
    views = range(scene.num_views)
    if all(o.get("shape") == "cube" and {"size", "yaw"} <= set(o) for o in scene.objects):
        by_view = [_cube_errors(scene, view) for view in views]
        if any(by_view):  # grossly wrong poses make no cube look whole
            return True, by_view
    return False, [_centre_errors(scene, view) for view in views]


def _swapped_views(findings: Findings, scene: Scene) -> list[int]:
    """The views whose masks lie at other objects' places; those that tell are counted in the findings."""
    positions, swapped = np.array([o["position"] for o in scene.objects], np.float64), []
    for view, mask in enumerate(scene.known_masks):
        centres = project_into(scene, view, positions)
        visible = [i for i in range(len(positions)) if (mask == i + 1).any() and np.isfinite(centres[i]).all()]
        if len(visible) > 1:
            findings.identity_views += 1
            if _swap_gain(mask, centres, visible) > SWAP_GAIN * scene.image_size[1]:
                swapped.append(view)
            else:
                findings.identity_agrees += 1
    return swapped


def _centre_errors(scene: Scene, view: int) -> list[float]:
    """Pixels from each projected position to its silhouette's centroid; a few even where all is right."""
    positions = np.array([o["position"] for o in scene.objects], np.float64)
    centres = project_into(scene, view, positions)
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
        region = scene.known_masks[view] == i + 1
        corners = project_into(scene, view, _corners(cube))
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
    return [scene.known_masks[view] == i + 1 for i in range(scene.num_objects)]


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
