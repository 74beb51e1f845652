"""The conditioning that multi-view models take of camera poses, float32 [V,Dv]."""

from __future__ import annotations

import numpy as np


def clevr_viewpoints(poses: np.ndarray) -> np.ndarray:
    """(cos t - 1, sin t, 0) of poses [V,4,4], t the camera's azimuth in the world.

    MulMON's CLE-MV convention (`normalise_viewpoints` in its getClevrMV.py).
    """
    azimuth = np.arctan2(poses[:, 1, 3], poses[:, 0, 3])
    return np.stack([np.cos(azimuth) - 1, np.sin(azimuth), np.zeros_like(azimuth)], axis=1).astype(np.float32)


def pose_viewpoints(poses: np.ndarray, distance: float) -> np.ndarray:
    """Position in units of `distance`, then the unit vectors forward and up of the image, of poses [V,4,4]; Dv 9."""
    position, forward, up = poses[:, :3, 3], poses[:, :3, 2], -poses[:, :3, 1]
    return np.concatenate([position / max(distance, 1e-9), forward, up], axis=1).astype(np.float32)
