"""Is this dataset sound? Reads every scene, gathers what is wrong, and says so in words."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from datasets.camera import project
from datasets.scene import DatasetError, Scene
from datasets.scene_dataset import SceneDataset

BLANK_STD = 1.0  # grey levels; a picture with less contrast shows nothing
OUTSIDE_SILHOUETTE = 0.1  # of an object's visible pixels; more of them means that the mask is another object's
CENTRE_ERROR = 0.06  # of the image's width; a scene's median above it means wrong poses, intrinsics or positions
SWAP_GAIN = 0.1  # of the image's width; what giving masks to other objects must save before ids count as mixed up


@dataclass
class Findings:
    """What was found in all scenes.

    Attributes:
        problems: what makes the dataset bad, one line each. Empty: it is sound.
        notes: what deserves a look, and is no fault.
        scenes: how many scenes could be read.
        views, image_sizes, objects: how many scenes have so many views, such images (height, width), so many objects.
        visible_pixels: of every object in every view that shows it.
        hidden: in how many views an object is fully hidden.
        centre_errors: pixels between an object's projected position and its silhouette's centroid.
        identity_views, identity_agrees: views whose ids were compared with projected positions, and those that agree.
    """

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    scenes: int = 0
    views: Counter[int] = field(default_factory=Counter)
    image_sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    objects: Counter[int] = field(default_factory=Counter)
    visible_pixels: list[int] = field(default_factory=list)
    hidden: int = 0
    centre_errors: list[float] = field(default_factory=list)
    identity_views: int = 0
    identity_agrees: int = 0

    @property
    def verdict(self) -> str:
        if not self.problems:
            return f"sound: all {self.scenes} scenes can be read and agree with themselves"
        more = len(self.problems)
        return f"not sound: {more} problem{'s' if more > 1 else ''}, {self.scenes} scenes could be read"


def check_dataset(dataset: SceneDataset, progress: Callable[[int], None] = lambda scenes: None) -> Findings:
    """Read every scene of a dataset and gather what is wrong; bad scenes do not stop it.

    Args:
        progress: called with the number of scenes that have been checked since its last call.
    """
    findings = Findings()
    seen: dict[bytes, str] = {}
    for index in range(len(dataset)):
        try:
            scene = dataset[index]
        except DatasetError as error:
            findings.problems.append(str(error))
        else:
            _count(findings, scene)
            _check_frames(findings, scene, seen)
            _check_poses(findings, scene)
            if scene.masks is not None:
                _check_masks(findings, scene)
                _check_positions(findings, scene)
        progress(1)
    if len(findings.image_sizes) > 1:
        sizes = ", ".join(f"{width} x {height}" for height, width in findings.image_sizes)
        findings.notes.append(f"images come in several sizes: {sizes}")
    return findings


def _count(findings: Findings, scene: Scene) -> None:
    findings.scenes += 1
    findings.views[scene.num_views] += 1
    findings.image_sizes[scene.image_size] += 1
    findings.objects[scene.num_objects] += 1


def _check_frames(findings: Findings, scene: Scene, seen: dict[bytes, str]) -> None:
    blank, repeated = [], []
    for view, image in enumerate(scene.images):
        if image.std(axis=(0, 1)).max() < BLANK_STD:
            blank.append(view)
            continue
        here = f"{scene.name} view {view}"
        first = seen.setdefault(hashlib.blake2b(image.tobytes(), digest_size=16).digest(), here)
        if first != here:
            repeated.append(f"{view} (as {first})")
    if blank:
        findings.problems.append(f"{scene.name}: blank images in views {_listed(blank)}")
    if repeated:
        findings.problems.append(
            f"{scene.name}: repeats a picture pixel for pixel in views {_listed(repeated)}; "
            f"a frozen camera, or a scene stored twice"
        )


def _check_poses(findings: Findings, scene: Scene) -> None:
    if scene.T_world_camera is not None:
        rotation = scene.T_world_camera[:, :3, :3]
        rigid = np.isclose(rotation @ rotation.transpose(0, 2, 1), np.eye(3), atol=1e-3).all((1, 2))
        rigid &= (np.linalg.det(rotation) > 0) & (scene.T_world_camera[:, 3] == [0, 0, 0, 1]).all(1)
        if not rigid.all():
            findings.problems.append(f"{scene.name}: no rigid camera pose in views {_listed(np.flatnonzero(~rigid))}")
    if scene.K is not None and (scene.K[:, [0, 1], [0, 1]] <= 0).any():
        findings.problems.append(f"{scene.name}: K has a focal length that is not above 0")


def _check_masks(findings: Findings, scene: Scene) -> None:
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
                    f"{scene.name}: object {i}'s mask leaves its own silhouette in views {_listed(bad)}; "
                    f"ids are mixed up between objects"
                )


def _check_positions(findings: Findings, scene: Scene) -> None:
    """Project the objects' positions: they must fall on their own silhouettes."""
    known = [o.get("position") for o in scene.objects]
    distorted = scene.distortion is not None and scene.distortion.any()
    if scene.T_world_camera is None or scene.K is None or distorted or not known or None in known:
        return
    width, errors, swapped = scene.image_size[1], [], []
    for view in range(scene.num_views):
        centres = project(np.array(known, np.float64), scene.T_world_camera[view], scene.K[view])
        silhouettes = _silhouettes(scene, view)
        whole = [i for i, region in enumerate(silhouettes) if region.any() and not _touches_border(region)]
        errors += [float(np.linalg.norm(_centroid(silhouettes[i]) - centres[i])) for i in whole]
        visible = [i for i in range(len(known)) if (scene.masks[view] == i + 1).any() and np.isfinite(centres[i]).all()]
        if len(visible) > 1:
            findings.identity_views += 1
            if _swap_gain(scene.masks[view], centres, visible) > SWAP_GAIN * width:
                swapped.append(view)
            else:
                findings.identity_agrees += 1
    findings.centre_errors += errors
    if errors and not np.median(errors) <= CENTRE_ERROR * width:
        findings.problems.append(
            f"{scene.name}: objects' projected positions lie {np.median(errors):.1f} px (median) from their masks; "
            f"poses, intrinsics or positions are wrong"
        )
    elif swapped:
        findings.problems.append(
            f"{scene.name}: masks lie at other objects' places in views {_listed(swapped)}; ids differ between views"
        )


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


def _listed(items: object) -> str:
    items = [str(item) for item in items]
    return ", ".join(items[:5]) + (f" and {len(items) - 5} more" if len(items) > 5 else "")
