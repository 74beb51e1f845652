"""The whole simulated rig, without ROS: an arm with a camera over a table of cubes, and faults on demand."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from capture.arms.arm import JointState
from capture.cameras.camera import Frame
from capture.errors import MotionError
from capture.motion.trajectory import Trajectory
from capture.simulation.arm import Motion, SimulatedArm
from capture.simulation.faults import Faults
from capture.simulation.wrist_camera import View, WristCamera
from datasets.synthesis.table import Cube, random_cubes


@dataclass(frozen=True)
class Exposure:
    """A picture that was taken and is yet to be rendered.

    Attributes:
        stamp: the time that the camera says it was exposed, seconds.
        gain, blur: see `WristCamera.image`.
        frozen: the camera does not see `view` any more, and delivers its last picture again.
    """

    view: View
    stamp: float
    gain: float = 1.0
    blur: float = 0.0
    frozen: bool = False


class SimulatedRig:
    """Times are seconds of one clock that never goes back. All but `Eye` may be used from one thread, or under a lock.

    Args:
        seed: of the first arrangement.
        light: how many times as bright as usual.

    Attributes:
        cubes: what stands on the table (aside, while the board is shown), in the order of the mask values 1, 2, ...
        aborted: whether the controller has given up the last trajectory.
    """

    def __init__(self, seed: int = 0, light: float = 1.0) -> None:
        self.arm, self.faults, self.light = SimulatedArm(), Faults(), light
        self.board_shown, self.aborted = False, False
        self.cubes: tuple[Cube, ...] = ()
        self.rearrange(seed)
        self._now = 0.0
        self._rng = np.random.default_rng(0)
        self._delayed: deque[tuple[float, View]] = deque()

    def rearrange(self, seed: int) -> None:
        """Put other cubes on the table: the same for the same seed, any whole number. The board goes."""
        rng = np.random.default_rng(seed % 2**64)  # which numpy wants to be positive
        self.cubes, self.board_shown = tuple(random_cubes(rng)), False

    def move(self, trajectory: Trajectory) -> None:
        """Follow a trajectory from now on. Raises MotionError where the controller refuses it."""
        if self._fault("trajectory_refused"):
            raise MotionError("the controller refuses every trajectory (simulated fault)")
        self.arm.start(trajectory)
        self.aborted = False

    def step(self, now: float) -> None:
        """Let time go on to `now`."""
        self._now = now
        self.arm.step(now, stalled=bool(self._fault("arm_stalls")))
        abort_after = self._fault("trajectory_aborted")
        if abort_after and self.arm.motion is Motion.MOVING and self.arm.elapsed >= abort_after:
            self.arm.stop()
            self.aborted = True

    def joints(self) -> JointState | None:
        """What the joints' encoders say now; None while they are silent."""
        if self._fault("tf_gap"):
            return None
        arm, noise = self.arm, self._fault("joint_noise")
        positions, velocities = (
            clean + scale * noise * self._rng.standard_normal(len(clean))
            for clean, scale in ((arm.positions, 1), (arm.velocities, 10))
        )
        return JointState(arm.limits.names, positions, velocities, self._now)

    def expose(self) -> Exposure | None:
        """Take a picture now; None where the camera delivers none."""
        view, fault = View(self.arm.positions.copy(), self.cubes, self.board_shown), self._fault
        if delay := fault("late_stamps"):
            self._delayed.append((self._now, view))
            if self._delayed[0][0] > self._now - delay:
                return None
            view = self._delayed.popleft()[1]
        else:
            self._delayed.clear()
        if fault("camera_stops") or self._rng.uniform() < fault("drops"):
            return None
        gain = self.light * (fault("over_exposure") or 1.0)
        return Exposure(view, self._now - fault("old_stamps"), gain, fault("blur"), bool(fault("camera_freezes")))

    def _fault(self, name: str) -> float:
        return self.faults.strength(name, self._now)


class Eye:
    """Turns exposures into frames. Its methods are for one thread: that which made it."""

    def __init__(self, width: int = 640, height: int = 480, noise: float = 0.008) -> None:
        self._camera = WristCamera(width, height, noise)
        self._last: tuple[Exposure, np.ndarray] | None = None

    def close(self) -> None:
        self._camera.close()

    def frame(self, exposure: Exposure, depth: bool = True, truth: bool = True) -> Frame:
        """What an exposure shows, with depth and instance masks where they are wanted."""
        if not exposure.frozen or self._last is None:
            self._last = exposure, self._camera.image(exposure.view, exposure.gain, exposure.blur)
        shown, image = self._last
        return Frame(
            image,
            exposure.stamp,
            self._camera.depth(shown.view) if depth else None,
            self._camera.truth(shown.view) if truth else None,
        )
