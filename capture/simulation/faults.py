"""What can be made to go wrong with the simulated rig, to see what recording makes of it."""

from __future__ import annotations

from dataclasses import dataclass

from capture.errors import CaptureError


@dataclass(frozen=True)
class Fault:
    """One thing that can go wrong.

    Attributes:
        does: what it does; `strength` in it is the number that it is set with.
        unit: of its strength; empty where it has none, and is either on or off.
        usual: the strength it has where none is given.
    """

    name: str
    does: str
    unit: str = ""
    usual: float = 1.0

    def __str__(self) -> str:
        strength = f" (strength: {self.unit}, usually {self.usual:g})" if self.unit else ""
        return f"{self.name}: {self.does}{strength}"


FAULTS = {
    fault.name: fault
    for fault in (
        Fault("camera_freezes", "the camera sends the same picture again and again, each time with a new stamp"),
        Fault("camera_stops", "no pictures come any more"),
        Fault("drops", "a share of the pictures never comes, chosen by chance", "share", 0.5),
        Fault("late_stamps", "pictures are stamped when they are delivered, long after they were exposed", "s", 0.5),
        Fault("old_stamps", "the camera's clock is behind", "s", 5.0),
        Fault("blur", "the lens is out of focus: a Gaussian of this standard deviation", "px", 4.0),
        Fault("over_exposure", "the picture is brighter by this factor", "factor", 2.5),
        Fault("arm_stalls", "the arm stands, while its goal stays active"),
        Fault("trajectory_aborted", "the controller gives up every trajectory this long after its start", "s", 0.3),
        Fault("trajectory_refused", "the controller refuses every trajectory"),
        Fault("joint_noise", "joint angles are read with noise, and velocities with ten times as much", "rad", 0.02),
        Fault("tf_gap", "no joint states come, so that tf does not know where the arm is"),
    )
}  # fmt: skip


class FaultError(CaptureError):
    """There is no such fault (the message lists those that there are), or it cannot be set so."""


@dataclass(frozen=True)
class _Setting:
    strength: float
    until: float


class Faults:
    """Which faults are on. They combine, and some end by themselves. Times are seconds, of whichever clock."""

    def __init__(self) -> None:
        self._settings: dict[str, _Setting] = {}

    def switch_on(self, name: str, now: float, strength: float = 0.0, duration: float = 0.0) -> None:
        """Switch a fault on, or change it.

        Args:
            strength: in the fault's unit; 0: its usual one.
            duration: seconds after which it ends; 0: never.

        Raises:
            FaultError: it is none of FAULTS, or a number is negative.
        """
        fault = _find(name)
        if not (strength >= 0 and duration >= 0):
            raise FaultError(f"{name}: strength and duration are 0 or more, not {strength:g} and {duration:g}")
        self._settings[name] = _Setting(strength or fault.usual, now + duration if duration else float("inf"))

    def switch_off(self, name: str) -> None:
        """Switch a fault off, if it is on. Raises FaultError."""
        self._settings.pop(_find(name).name, None)

    def clear(self) -> None:
        self._settings = {}

    def strength(self, name: str, now: float) -> float:
        """How strong a fault of FAULTS is now; 0 where it is off."""
        setting = self._settings.get(name)
        return setting.strength if setting and now < setting.until else 0.0


def _find(name: str) -> Fault:
    if name not in FAULTS:
        raise FaultError(f"there is no fault '{name}'; these are:\n" + "\n".join(map(str, FAULTS.values())))
    return FAULTS[name]
