"""Whether an arm turned the camera enough, and about enough axes, for hand-eye calibration.

With all rotations about one axis, the camera's place along that axis, and its turn about it, cannot be told
(Tsai and Lenz, 1989): the equations then hold for many hand-eye poses, and a solver returns any one of them.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from capture.calibration.verdict import Finding

LEAST_SECOND_AXIS = 3.0  # degrees; below, the second axis is the noise of the poses
GOOD_SECOND_AXIS = 12.0


def rotation_spread(T_base_tool: np.ndarray) -> np.ndarray:
    """How much N poses [N,4,4] turn against one another, along the three principal axes of turning.

    Returns:
        float64 [3], degrees, falling: root mean square over all pairs. A set about one axis has (large, ~0, ~0).
    """
    rotations = T_base_tool[:, :3, :3]
    first, second = np.triu_indices(len(rotations), 1)
    if not len(first):
        return np.zeros(3)
    turns = Rotation.from_matrix(np.swapaxes(rotations[first], 1, 2) @ rotations[second]).as_rotvec()
    variances = np.linalg.eigvalsh(turns.T @ turns / len(turns))[::-1]
    return np.rad2deg(np.sqrt(np.maximum(variances, 0)))


def spread_finding(spread: np.ndarray) -> Finding | None:
    """What is wrong with a `rotation_spread`; None where it is good."""
    what = (
        f"the camera turned by {spread[0]:.1f} deg about one axis and {spread[1]:.1f} deg about a second one "
        "(root mean square between views)"
    )
    advice = "tilt the camera in several directions, 20 deg and more, and roll it about its own axis as well"
    if spread[1] < LEAST_SECOND_AXIS:
        return Finding("bad", f"all rotations are about one axis or none: {what}; {advice}")
    if spread[1] < GOOD_SECOND_AXIS:
        return Finding("usable", f"{what}; {advice}")
    return None
