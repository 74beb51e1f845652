"""The interface of every arm, and of an operator's hand that takes its place."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from capture.errors import MotionError
from capture.motion.trajectory import Trajectory


@dataclass(frozen=True)
class JointState:
    """Joint angles at one moment: `positions` and `velocities` float64 [J] (rad, rad/s), in the order of `names`."""

    names: tuple[str, ...]
    positions: np.ndarray
    velocities: np.ndarray
    stamp: float


class Arm(ABC):
    """What carries the camera's mount, the tool frame. A context manager."""

    name: str

    @abstractmethod
    def __enter__(self) -> Arm:
        """Connect. Raises MotionError where it does not answer, naming the topic or action and what to do."""

    @abstractmethod
    def __exit__(self, *_: object) -> None:
        """Stop any motion of ours, and let go."""

    @abstractmethod
    def joints(self) -> JointState | None:
        """The newest joint angles; None where there are none (an operator's hand). Raises MotionError if stale."""

    def positions(self) -> np.ndarray:
        """The newest joint angles alone, float64 [J], rad. Raises MotionError where there are none, or stale ones."""
        joints = self.joints()
        if joints is None:
            raise MotionError(f"{self.name}: the operator moves the camera here, and no joint angles are known")
        return joints.positions

    @abstractmethod
    def follow(self, trajectory: Trajectory, interrupted: Callable[[], bool]) -> None:
        """Move along a trajectory, and return at its end.

        Stops the arm and raises Interrupted within 0.2 s of `interrupted()` becoming true.

        Raises:
            MotionError: refused, aborted or stalled, in words; the arm has been stopped.
            Interrupted: see above.
        """

    @abstractmethod
    def stop(self) -> None:
        """Bring the arm to rest now; no error where it rests already."""

    @abstractmethod
    def still_since(self, timeout: float, interrupted: Callable[[], bool]) -> float:
        """Wait until the camera's mount is at rest; the time (seconds, as frame stamps) since when it has been.

        Raises:
            MotionError: it was not at rest within `timeout` seconds; says how fast what moves.
            Interrupted: `interrupted()` became true meanwhile.
        """

    @abstractmethod
    def T_base_tool(self, stamp: float) -> np.ndarray:
        """Where the camera's mount was at `stamp`, float64 [4,4], in the arm's base frame.

        Raises:
            PoseError: it is not known for that very time; never answers with an older or newer pose.
        """


class Interrupted(Exception):
    """Someone asked to stop (preempt, Ctrl-C). The arm stands still."""


def pause(seconds: float, interrupted: Callable[[], bool]) -> None:
    """Wait. Raises Interrupted once `interrupted()` is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if interrupted():
            raise Interrupted
        time.sleep(min(0.1, seconds))
