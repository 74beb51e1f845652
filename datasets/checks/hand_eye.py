"""Would another hand-eye calibration explain the pictures better than the one that the poses were recorded with?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from datasets.camera import rigid
from datasets.checks.correspondences import NEAR, Correspondences, robust

PLACE, ANGLE = 0.01, np.deg2rad(1)  # metres, radians; smaller corrections are not worth telling
BELIEVED = np.repeat([0.2, 0.15], 3)  # radians, metres: how far off a calibration may be
SCALES = (8.0, 2.0)  # pixels; coarse to fine
GAIN = 0.15  # of the robust cost, for every match that counts; what a correction must save to be believed
FEW = 20  # matches; fewer cannot tell
LEFT, LEFT_SHARE = 2.5, 0.7  # pixels, and of the error before: a correction that leaves more explains nothing


def hand_eye_error(scenes: Sequence[Correspondences]) -> str | None:
    """How the camera sits otherwise on its mount than the poses say, in words; None where it sits as they say.

    Believed only if what some views tell explains the others too, so that noise of single poses raises no alarm.

    Args:
        scenes: matches of scenes that were recorded with the same calibration.
    """
    x = _fit(scenes)
    place, angle = np.linalg.norm(x[3:]), np.linalg.norm(x[:3])
    before, after = (np.median([m.median_error() for m in part]) for part in (scenes, _corrected(scenes, x)))
    if (place < PLACE and angle < ANGLE) or after > min(LEFT, LEFT_SHARE * before):
        return None
    if _gain(scenes, x) < GAIN or _gain_elsewhere(scenes) < GAIN / 2:
        return None
    return (
        f"with the camera moved by {100 * place:.1f} cm and turned by {np.rad2deg(angle):.1f} deg on its mount "
        f"it would be {after:.1f} px. Calibrate again"
    )


def _gain_elsewhere(scenes: Sequence[Correspondences]) -> float:
    """What a correction that was fitted to one half of the data explains of the other half."""
    if len(scenes) > 1:
        halves = scenes[::2], scenes[1::2]
    else:
        early = scenes[0].first < np.median(scenes[0].first)
        halves = [scenes[0].where(early)], [scenes[0].where(~early)]
    if min(sum(map(len, half)) for half in halves) < FEW:
        return 0.0
    return float(np.mean([_gain(other, _fit(own)) for own, other in (halves, halves[::-1])]))


def _gain(scenes: Sequence[Correspondences], x: np.ndarray) -> float:
    """What a correction saves, for every match that poses explain at all."""
    before, after = (np.minimum(_errors(scenes, y), NEAR) for y in (np.zeros(6), x))
    counting = max(1.0, sum(matches.explained() for matches in _corrected(scenes, x)))
    return float((robust(before, SCALES[-1]) - robust(after, SCALES[-1])).sum() / counting)


def _corrected(scenes: Sequence[Correspondences], x: np.ndarray) -> list[Correspondences]:
    return [replace(matches, T_world_camera=matches.T_world_camera @ _transform(x)) for matches in scenes]


def _fit(scenes: Sequence[Correspondences]) -> np.ndarray:
    """The correction that explains the matches best: rotation vector, radians, and metres [6]."""
    from scipy.optimize import least_squares

    best = np.zeros(6)
    for scale in SCALES:

        def residuals(x: np.ndarray, scale: float = scale) -> np.ndarray:
            return np.append(np.sqrt(robust(_errors(scenes, x), scale)), x / BELIEVED)

        best = least_squares(residuals, best, method="lm", max_nfev=200).x
    return best


def _errors(scenes: Sequence[Correspondences], x: np.ndarray) -> np.ndarray:
    return np.concatenate([matches.errors() for matches in _corrected(scenes, x)])


def _transform(x: np.ndarray) -> np.ndarray:
    from scipy.spatial.transform import Rotation

    return rigid(Rotation.from_rotvec(x[:3]).as_matrix(), x[3:])
