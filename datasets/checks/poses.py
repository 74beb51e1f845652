"""Poses, intrinsics and stamps that cannot be, whatever the pictures show."""

from __future__ import annotations

import numpy as np

from datasets.checks.findings import Findings, listed
from datasets.scene import Scene

SAME_PLACE, SAME_ANGLE = 1e-3, np.deg2rad(0.1)  # metres, radians; nearer poses show the scene from one place twice


def check_poses(findings: Findings, scene: Scene) -> None:
    """Rigid poses above the table, no pose twice, one camera, and rising stamps."""
    problems = [*_rigid(scene), *_intrinsics(scene), *_stamps(scene)]
    if scene.T_world_camera is not None and not problems:
        problems += _under_the_table(scene)
        findings.notes += [f"{scene.name}: {note}" for note in _repeated(scene)]
    findings.problems += [f"{scene.name}: {problem}" for problem in problems]


def _rigid(scene: Scene) -> list[str]:
    if scene.T_world_camera is None:
        return []
    rotation = scene.T_world_camera[:, :3, :3]
    rigid = np.isclose(rotation @ rotation.transpose(0, 2, 1), np.eye(3), atol=1e-3).all((1, 2))
    rigid &= (np.linalg.det(rotation) > 0) & (scene.T_world_camera[:, 3] == [0, 0, 0, 1]).all(1)
    return [] if rigid.all() else [f"no rigid camera pose in views {listed(np.flatnonzero(~rigid))}"]


def _under_the_table(scene: Scene) -> list[str]:
    """The world's origin is on the table, z up."""
    under = np.flatnonzero(scene.known_poses[:, 2, 3] <= 0)
    if not len(under):
        return []
    return [f"the camera is in or under the table (z <= 0) in views {listed(under)}; is the world frame on the table?"]


def _repeated(scene: Scene) -> list[str]:
    position, rotation = scene.known_poses[:, :3, 3], scene.known_poses[:, :3, :3]
    apart = np.linalg.norm(position[:, None] - position, axis=-1)
    cosine = (np.einsum("iab,jab->ij", rotation, rotation) - 1) / 2
    same = (apart < SAME_PLACE) & (np.arccos(cosine.clip(-1, 1)) < SAME_ANGLE)
    pairs = [f"{i} and {j}" for i, j in np.argwhere(np.triu(same, 1))]
    return [f"views {listed(pairs)} have the same pose"] if pairs else []


def _intrinsics(scene: Scene) -> list[str]:
    if scene.K is None:
        return []
    if (scene.K[:, [0, 1], [0, 1]] <= 0).any():
        return ["K has a focal length that is not above 0"]
    different = np.flatnonzero(~np.isclose(scene.K, scene.K[0]).all((1, 2)))
    if len(different):
        return [f"intrinsics differ from view 0's in views {listed(different)}; a camera must not zoom within a scene"]
    return []


def _stamps(scene: Scene) -> list[str]:
    if scene.stamps is None:
        return []
    falling = np.flatnonzero(np.diff(scene.stamps) <= 0) + 1
    return [f"stamps do not rise at views {listed(falling)}; a stale or repeated frame"] if len(falling) else []
