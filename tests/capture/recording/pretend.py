"""Hardware for tests: an arm that is where it is sent at once, and a camera that sees a pattern of where the arm is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from capture.arms.arm import Arm, Interrupted, JointState
from capture.cameras.camera import Camera, Frame, Intrinsics
from capture.errors import CameraLost, CameraSilent, MotionError
from capture.motion.trajectory import Trajectory
from datasets.camera import look_at

INTRINSICS = Intrinsics(np.array([[100.0, 0, 63.5], [0, 100.0, 47.5], [0, 0, 1]]), np.zeros(5), 128, 96)
RATE = 10.0  # frames a second of the pretended clock


class Clock:
    """Time that passes only where someone waits."""

    def __init__(self) -> None:
        self.now = 1000.0


class PretendArm(Arm):
    """One joint: the azimuth of a camera that looks at the middle. `refusals` are raised one by one by `follow`."""

    name = "pretend"

    def __init__(self, clock: Clock) -> None:
        self.clock, self.azimuth = clock, 0.0
        self.refusals: list[str] = []
        self.moves: list[float] = []
        self.drift = 0.0  # rad a second, while it pretends to rest

    def __enter__(self) -> Arm:
        return self

    def __exit__(self, *_: object) -> None: ...

    def joints(self) -> JointState:
        return JointState(("azimuth",), np.array([self.azimuth]), np.zeros(1), self.clock.now)

    def follow(self, trajectory: Trajectory, interrupted: Callable[[], bool]) -> None:
        self.clock.now += trajectory.duration
        if interrupted():
            raise Interrupted
        self.moves.append(float(trajectory.positions[-1, 0]))
        if self.refusals:
            raise MotionError(self.refusals.pop(0))
        self.azimuth = self.moves[-1]

    def stop(self) -> None: ...

    def still_since(self, timeout: float, interrupted: Callable[[], bool]) -> float:
        if interrupted():
            raise Interrupted
        self.clock.now += 0.1
        return self.clock.now

    def T_base_tool(self, stamp: float) -> np.ndarray:
        azimuth = self.azimuth + self.drift * (stamp - 1000.0)
        return look_at(np.array([np.cos(azimuth), np.sin(azimuth), 1.0]) * 0.4, np.zeros(3))


class StraightPlanner:
    """Plans a motion of one second."""

    def plan(self, start: np.ndarray, goal: np.ndarray) -> Trajectory:
        positions = np.stack([start, goal])
        return Trajectory(("azimuth",), np.array([0.0, 1.0]), positions, np.zeros_like(positions))


class PretendCamera(Camera):
    """Sees stripes turned by the arm's azimuth. `picture` may be replaced; `losses` are how often it is lost.

    Once it `hangs` it is silent, until it was opened anew `cure` times.
    """

    kind, serial = "pretend", "7"

    def __init__(self, clock: Clock, arm: PretendArm) -> None:
        self._clock, self._arm = clock, arm
        self._rng = np.random.default_rng(0)
        self.losses = 0
        self.openings = 0
        self.hangs, self.cure = False, 1
        self.spoil: Callable[[np.ndarray, float], np.ndarray] = lambda image, stamp: image

    def __enter__(self) -> Camera:
        self.openings += 1
        self.hangs = self.hangs and self.openings < self.cure
        return self

    def __exit__(self, *_: object) -> None: ...

    @property
    def intrinsics(self) -> Intrinsics:
        return INTRINSICS

    def frame_after(self, stamp: float, timeout: float) -> Frame:
        if self.losses:
            self.losses -= 1
            raise CameraLost("pretend camera: unplugged")
        if self.hangs:
            raise CameraSilent("pretend camera: it delivers none")
        exposed = (np.floor(stamp * RATE) + 1) / RATE
        self._clock.now = max(self._clock.now, exposed)
        return Frame(self.spoil(self.picture(self._arm.azimuth), exposed), exposed)

    def picture(self, azimuth: float) -> np.ndarray:
        """uint8 [96,128,3]: a checkerboard on a plain table, turned by `azimuth`, with a little noise."""
        y, x = np.mgrid[:96, :128] - np.array([47.5, 63.5])[:, None, None]
        u, v = np.cos(azimuth) * x - np.sin(azimuth) * y, np.sin(azimuth) * x + np.cos(azimuth) * y
        board = np.where((np.floor(u / 8) + np.floor(v / 8)) % 2 == 0, 200, 60)
        picture = np.where(np.maximum(np.abs(u), np.abs(v)) < 24, board, 200)
        noisy = picture[..., None] + self._rng.normal(0, 1.5, (96, 128, 3))
        return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
