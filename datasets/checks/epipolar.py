"""Do the poses agree with the pictures? Needs no labels: matched points must lie on each other's epipolar lines."""

from __future__ import annotations

import numpy as np

from datasets.checks.correspondences import Correspondences, find_correspondences
from datasets.checks.findings import Findings, listed
from datasets.scene import Scene

SMALLEST_IMAGE = 200  # pixels wide; smaller ones have too few features
ENOUGH, ENOUGH_PAIRS = 60, 5  # matches, and pairs of views that they come from, to judge a scene by
ERROR = 2.5 / 640  # of the image's width; a scene's median above it means that poses and pictures disagree
VIEW_ERROR = 6 / 640  # the same for the matches of one view
SHIFTS = (-2, -1, 1, 2)  # views that poses may be displaced by
GAIN = 0.1  # of the robust cost; what another hypothesis must save before it is told
HAND_EYE_PLACE, HAND_EYE_ANGLE = 0.01, np.deg2rad(1)  # metres, radians; smaller corrections are not worth telling
HARDLY = 0.15, 0.2  # metres, radians: the corrections that the fit finds hard to believe
NEAREST_VIEWS = 0.01  # metres; pairs of nearer views give no epipolar line


def check_epipolar(findings: Findings, scene: Scene) -> None:
    """Compare the poses with the pictures; where they disagree, tell which error would explain it."""
    if scene.T_world_camera is None or scene.K is None or scene.image_size[1] < SMALLEST_IMAGE or scene.num_views < 2:
        return
    matches = _apart(find_correspondences(scene), scene.T_world_camera)
    pairs = len(set(zip(matches.first.tolist(), matches.second.tolist(), strict=True)))
    if len(matches) < ENOUGH or pairs < ENOUGH_PAIRS:
        findings.unjudged.append(scene.name)
        return
    errors = sampson_errors(matches, scene.T_world_camera)
    findings.epipolar_errors.append(float(np.median(errors)))
    reason = _disagreement(matches, scene, errors)
    if reason:
        findings.problems.append(f"{scene.name}: {reason}")


def sampson_errors(matches: Correspondences, T_world_camera: np.ndarray) -> np.ndarray:
    """Pixels [M] by which matched points miss their epipolar lines, to first order (Sampson's distance).

    Hartley and Zisserman, "Multiple View Geometry", 2nd ed., equation 11.9 (its square root).
    """
    relative = np.linalg.inv(T_world_camera)[matches.second] @ T_world_camera[matches.first]
    rotation, translation = relative[:, :3, :3], relative[:, :3, 3]
    line_q = np.cross(translation, np.einsum("mij,mj->mi", rotation, matches.p))  # E p
    line_p = -np.einsum("mji,mj->mi", rotation, np.cross(translation, matches.q))  # E^T q
    norm = np.sqrt((line_q[:, :2] ** 2).sum(1) + (line_p[:, :2] ** 2).sum(1))
    return matches.focal * np.abs((matches.q * line_q).sum(1)) / np.maximum(norm, 1e-12)


def _apart(matches: Correspondences, T_world_camera: np.ndarray) -> Correspondences:
    position = T_world_camera[:, :3, 3]
    kept = np.linalg.norm(position[matches.first] - position[matches.second], axis=1) > NEAREST_VIEWS
    return Correspondences(
        matches.first[kept], matches.second[kept], matches.p[kept], matches.q[kept], matches.focal
    )  # fmt: skip


def _disagreement(matches: Correspondences, scene: Scene, errors: np.ndarray) -> str | None:
    """What is wrong with the poses, in words; None where they agree with the pictures."""
    width, median = scene.image_size[1], np.median(errors)
    told = f"matched points miss their epipolar lines by {median:.1f} px (median)"
    cost = _cost(errors, width)
    shifted = {k: _cost(sampson_errors(matches, np.roll(scene.T_world_camera, k, axis=0)), width) for k in SHIFTS}
    shift = min(shifted, key=shifted.get)
    correction = _fit_hand_eye(matches, scene.T_world_camera, width)
    corrected = np.median(sampson_errors(matches, scene.T_world_camera @ _transform(correction)))
    place, angle = np.linalg.norm(correction[3:]), np.linalg.norm(correction[:3])
    hand_eye_gain = cost - _cost(sampson_errors(matches, scene.T_world_camera @ _transform(correction)), width)
    if cost - shifted[shift] > max(GAIN, hand_eye_gain):
        return f"poses belong to other views: {told}; the poses of {abs(shift)} view{'s' * (abs(shift) > 1)} " + (
            "earlier fit" if shift > 0 else "later fit"
        )
    if hand_eye_gain > GAIN and (place > HAND_EYE_PLACE or angle > HAND_EYE_ANGLE) and corrected < median / 2:
        return (
            f"hand-eye calibration is off: {told}; with the camera moved by {100 * place:.1f} cm and turned by "
            f"{np.rad2deg(angle):.1f} deg on its mount it would be {corrected:.1f} px. Calibrate again"
        )
    wrong = _wrong_views(matches, errors, width)
    if wrong:
        return f"poses disagree with the pictures in views {listed(wrong)}: {told} over all views"
    return f"poses disagree with the pictures: {told}" if median > ERROR * width else None


def _wrong_views(matches: Correspondences, errors: np.ndarray, width: int) -> list[int]:
    """Views that no neighbour's matches agree with."""
    wrong = []
    for view in np.unique([matches.first, matches.second]):
        own = (matches.first == view) | (matches.second == view)
        pairs = set(zip(matches.first[own].tolist(), matches.second[own].tolist(), strict=True))
        medians = [np.median(errors[(matches.first == i) & (matches.second == j)]) for i, j in pairs]
        if len(pairs) > 1 and min(medians) > VIEW_ERROR * width:
            wrong.append(int(view))
    return wrong


def _cost(errors: np.ndarray, width: int) -> float:
    """A mean that mismatches hardly change (the negative log-likelihood of a Cauchy distribution, up to constants)."""
    return float(np.log1p((errors / (2 / 640 * width)) ** 2).mean())


def _fit_hand_eye(matches: Correspondences, T_world_camera: np.ndarray, width: int) -> np.ndarray:
    """How the camera must be turned and moved on its mount for the pictures to agree: rotation vector, metres [6]."""
    from scipy.optimize import least_squares

    believed = np.repeat(HARDLY[::-1], 3)
    best = np.zeros(6)
    for scale in np.array([8, 2]) / 640 * width:  # coarse to fine

        def residuals(x: np.ndarray, scale: float = scale) -> np.ndarray:
            errors = sampson_errors(matches, T_world_camera @ _transform(x))
            return np.append(np.sqrt(np.log1p((errors / scale) ** 2)), x / believed)

        best = least_squares(residuals, best, method="lm", max_nfev=200).x
    return best


def _transform(x: np.ndarray) -> np.ndarray:
    from scipy.spatial.transform import Rotation

    transform = np.eye(4)
    transform[:3, :3], transform[:3, 3] = Rotation.from_rotvec(x[:3]).as_matrix(), x[3:]
    return transform
