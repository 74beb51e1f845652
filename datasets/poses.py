"""Poses as matrices, float64 [4,4]: turned round, and as the numbers that files hold."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from datasets.camera import rigid


def inverse(T: np.ndarray) -> np.ndarray:
    """Of a pose [4,4]: T_b_a of T_a_b."""
    return rigid(T[:3, :3].T, -T[:3, :3].T @ T[:3, 3])


def pose_of_numbers(position: ArrayLike, quaternion: ArrayLike) -> np.ndarray:
    """The pose of a position [3] and a quaternion [4], xyzw. Raises ValueError where the quaternion is zero."""
    from scipy.spatial.transform import Rotation

    return rigid(Rotation.from_quat(quaternion).as_matrix(), np.asarray(position))


def numbers_of_pose(T: np.ndarray) -> tuple[float, ...]:
    """x y z qx qy qz qw of a pose [4,4]."""
    from scipy.spatial.transform import Rotation

    return (*T[:3, 3].tolist(), *Rotation.from_matrix(T[:3, :3]).as_quat().tolist())
