"""A timed path of joint angles: what planning makes and an arm follows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Trajectory:
    """Joint angles over time, starting at rest at times[0] = 0 and ending at rest.

    Attributes:
        joint_names: J names.
        times: float64 [N], seconds from the start, rising.
        positions, velocities: float64 [N,J], rad and rad/s.
    """

    joint_names: tuple[str, ...]
    times: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray

    @property
    def duration(self) -> float:
        return float(self.times[-1])
