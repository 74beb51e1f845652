"""How a path of joint angles is run through over time, within bounds of velocity and acceleration.

Each straight piece starts and ends at rest. Its velocity rises and falls as a cubic ramp 3u^2 - 2u^3, so that the
acceleration has no steps either; a ramp to velocity v that takes T peaks at the acceleration 1.5 v / T.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from capture.motion.trajectory import Trajectory

PERIOD = 0.02  # s between the points of a trajectory
POINTS = 24  # of each straight piece, at least
MARGIN = 0.99  # of the bounds is used: controllers interpolate between the points


def timed(
    joint_names: tuple[str, ...], path: Sequence[np.ndarray], max_velocity: np.ndarray, max_acceleration: np.ndarray
) -> Trajectory:
    """The trajectory along the corners [J] of a path, at rest at each of them.

    Args:
        max_velocity, max_acceleration: [J], rad/s and rad/s^2.
    """
    start = np.asarray(path[0], np.float64)
    times, positions, velocities = [np.zeros(1)], [start[None]], [np.zeros((1, len(start)))]
    for corner in path[1:]:
        delta = corner - positions[-1][-1]
        if np.abs(delta).max() < 1e-9:
            continue
        t, share, rate = _ramped(*_bounds(np.abs(delta), max_velocity, max_acceleration))
        times.append(times[-1][-1] + t[1:])
        positions.append(positions[-1][-1] + share[1:, None] * delta)
        velocities.append(rate[1:, None] * delta)
    if len(times) == 1:  # nowhere to go: a trajectory still has two points
        times, positions, velocities = [np.array([0, PERIOD])], [start[None]] * 2, velocities * 2
    return Trajectory(joint_names, *(np.concatenate(part) for part in (times, positions, velocities)))


def duration_of(delta: np.ndarray, max_velocity: np.ndarray, max_acceleration: np.ndarray) -> np.ndarray:
    """Seconds [...] that `timed` takes for a straight piece of length delta >= 0 [...,J]."""
    velocity, acceleration = _bounds(np.maximum(delta, 1e-9), max_velocity, max_acceleration)
    ramp, cruise = _phases(velocity, acceleration)
    return 2 * ramp + cruise


def _bounds(delta: np.ndarray, max_velocity: np.ndarray, max_acceleration: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The velocity and acceleration [...] of the share of the way, 0 to 1, that hold all joints' bounds."""
    delta = np.maximum(delta, 1e-12)
    return MARGIN * (max_velocity / delta).min(-1), MARGIN * (max_acceleration / delta).min(-1)


def _phases(velocity: np.ndarray, acceleration: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Seconds of each ramp, and between them, on a way of length 1. Short ways do not reach the full velocity."""
    velocity = np.minimum(velocity, np.sqrt(acceleration / 1.5))
    ramp = 1.5 * velocity / acceleration
    return ramp, 1 / velocity - ramp


def _ramped(velocity: np.ndarray, acceleration: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times [N], the share of the way 0 to 1 [N] and its rate [N], of one piece."""
    ramp, cruise = _phases(velocity, acceleration)
    peak = 1 / (ramp + cruise)
    duration = 2 * ramp + cruise
    t = np.linspace(0, duration, max(POINTS, int(np.ceil(duration / PERIOD)) + 1))
    up, down = np.clip(t / ramp, 0, 1), np.clip((duration - t) / ramp, 0, 1)
    rate = peak * (3 * up**2 - 2 * up**3) * (3 * down**2 - 2 * down**3)
    rising = peak * (ramp * (up**3 - up**4 / 2) + np.clip(t - ramp, 0, cruise))
    falling = peak * ramp * (0.5 - (down**3 - down**4 / 2))
    return t, rising + falling, rate
