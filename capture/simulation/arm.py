"""The simulated rig's arm: it follows trajectories, as a real one does, with a little delay."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from scipy.interpolate import CubicHermiteSpline

from capture.errors import MotionError
from capture.motion.robot_description import describe_robot
from capture.motion.trajectory import Trajectory
from capture.simulation.truth import START, URDF

LAG = 0.03  # seconds: time constant with which joints follow what they are told
START_TOLERANCE = 0.05  # rad between a trajectory's first point and where the arm is
GOAL_TOLERANCE = 0.003  # rad between a trajectory's end and where the arm is, when it counts as reached


class Motion(Enum):
    """What the arm does."""

    RESTING = "resting"  # holds its last command, after a stop or from the start
    MOVING = "moving"
    ARRIVED = "arrived"


@dataclass(frozen=True)
class JointLimits:
    """Of J joints: angles, rad, and speeds, rad/s, float64 [J] each."""

    names: tuple[str, ...]
    lower: np.ndarray
    upper: np.ndarray
    speed: np.ndarray


def read_joint_limits() -> JointLimits:
    """Of the simulated arm's moving joints, from base to tool."""
    robot = describe_robot(URDF.read_text(), "base_link", "tool0")
    lower, upper, speed = np.array([(joint.lower, joint.upper, joint.max_velocity) for joint in robot.joints]).T
    return JointLimits(robot.joint_names, lower, upper, speed)


class SimulatedArm:
    """Joint angles over time. Times are seconds, and never go back.

    Attributes:
        positions, velocities: float64 [J], rad and rad/s, at the time of the last `step`.
        command: float64 [J], where the joints were told to be at that time.
    """

    def __init__(self) -> None:
        self.limits = read_joint_limits()
        self.positions, self.velocities, self.command = START.copy(), np.zeros(len(START)), START.copy()
        self.motion = Motion.RESTING
        self._spline: CubicHermiteSpline | None = None  # of the trajectory, while it is followed
        self._started = 0.0
        self._time: float | None = None  # of the last step

    def start(self, trajectory: Trajectory) -> None:
        """Follow a trajectory from now on, in place of an earlier one.

        Its joints may come in any order. Where its first time is later than 0, the arm goes there from where it is.

        Raises:
            MotionError: it is no trajectory for this arm; the arm goes on with what it does.
        """
        self._spline = self._checked(trajectory)
        self._started = self._time or 0.0
        self.motion = Motion.MOVING

    def stop(self) -> None:
        """Stay here; the joints come to rest within a few `LAG`s."""
        self.motion, self._spline = Motion.RESTING, None

    @property
    def elapsed(self) -> float:
        """Seconds that the trajectory has been followed for."""
        return (self._time or 0.0) - self._started

    def step(self, now: float, stalled: bool = False) -> None:
        """Go on to the time `now`. A stalled arm stands, and takes its trajectory up again where it was."""
        if self._time is None:
            self._time = self._started = now
        passed, self._time = now - self._time, now
        self._started += min(passed, 0.0)  # where the clock was set back, the trajectory goes on from where it was
        if passed <= 0:
            return
        if stalled:
            self._started += passed
            self.velocities = np.zeros_like(self.positions)
            return
        if self._spline is not None:
            self.command = self._spline(min(self.elapsed, self._spline.x[-1]))
        # The exact response of a first-order lag to a command that stays the same for the step
        moved = (1 - np.exp(-passed / LAG)) * (self.command - self.positions)
        self.positions, self.velocities = self.positions + moved, moved / passed
        if self._spline is not None and self._is_at_end_of(self._spline):
            self.motion, self._spline = Motion.ARRIVED, None

    def _is_at_end_of(self, spline: CubicHermiteSpline) -> bool:
        off = float(np.abs(self.command - self.positions).max())
        return bool(self.elapsed >= spline.x[-1]) and off < GOAL_TOLERANCE

    def _checked(self, trajectory: Trajectory) -> CubicHermiteSpline:
        names = trajectory.joint_names
        if sorted(names) != sorted(self.limits.names):
            ours = ", ".join(self.limits.names)
            raise MotionError(f"the trajectory moves the joints {', '.join(names)}, but the arm has {ours}")
        order = [names.index(name) for name in self.limits.names]
        times, positions, velocities = trajectory.times, trajectory.positions[:, order], trajectory.velocities[:, order]
        if not len(times):
            raise MotionError("the trajectory has no points")
        if not all(np.isfinite(part).all() for part in (times, positions, velocities)):
            raise MotionError("the trajectory holds numbers that are not finite")
        if times[0] < 0 or (np.diff(times) <= 0).any():
            raise MotionError("the trajectory's times do not rise")
        if times[0] > 0:
            times, positions = np.append(0, times), np.vstack([self.positions, positions])
            velocities = np.vstack([np.zeros(len(order)), velocities])
        elif len(times) == 1:
            raise MotionError("the trajectory's only point is at time 0")
        self._check_way(spline := CubicHermiteSpline(times, positions, velocities))
        return spline

    def _check_way(self, spline: CubicHermiteSpline) -> None:
        away = np.abs(spline(0) - self.positions)
        self._refuse(away > START_TOLERANCE, away, "the trajectory starts {:.3f} rad from where {} is")
        share = np.linspace(0, 1, 5)[:, None]  # of the way from point to point: the spline may swing out between them
        moments = spline.x[:-1] + share * np.diff(spline.x)
        angles, speeds = spline(moments), np.abs(spline(moments, 1)).max((0, 1))
        outside = np.maximum(self.limits.lower - angles, angles - self.limits.upper).max((0, 1))
        self._refuse(outside > 1e-3, outside, "the trajectory goes {:.3f} rad beyond the limit of {}")
        self._refuse(speeds > 1.02 * self.limits.speed, speeds, "the trajectory asks for {:.2f} rad/s, too much for {}")

    def _refuse(self, wrong: np.ndarray, amount: np.ndarray, message: str) -> None:
        if wrong.any():
            worst = int(np.argmax(np.where(wrong, amount, -np.inf)))
            raise MotionError(message.format(amount[worst], self.limits.names[worst]))
