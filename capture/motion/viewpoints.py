"""Where to look from: ring, hemisphere or spiral around the objects, taught joint positions, or a free hand."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from omegaconf import MISSING

from capture.settings_file import are_numbers, read_mapping, require, settings_file, settings_of
from datasets.camera import look_at

ORBITS = ("ring", "hemisphere", "spiral")
GOLDEN = (5**0.5 - 1) / 2  # turns by it never come back near where one was


@dataclass(frozen=True)
class OrbitPattern:
    """Views from around a point near the middle of the table.

    Attributes:
        name: of the pattern.
        kind: ring (once around, evenly), hemisphere (evenly over the area), spiral (from low to high, in `turns`).
        target: where the camera looks, world frame, metres; each view by a normal error of `scatter` elsewhere.
        azimuth: from and to, rad, around the world's z from its x axis.
        elevation: from and to, rad above the horizon.
        distance: from and to, metres from the target.
        turns: of a spiral.
    """

    name: str
    kind: str
    target: tuple[float, float, float]
    scatter: float
    azimuth: tuple[float, float]
    elevation: tuple[float, float]
    distance: tuple[float, float]
    turns: float = 1.0


@dataclass(frozen=True)
class TaughtPattern:
    """Joint positions that an operator saved: `waypoints` float64 [N,J] (rad), in the order of `joint_names`."""

    name: str
    joint_names: tuple[str, ...]
    waypoints: np.ndarray
    kind: str = "taught"


@dataclass(frozen=True)
class FreehandPattern:
    """The operator moves the camera; a view is away from all others by min_distance (m) or min_angle (rad)."""

    name: str
    min_distance: float
    min_angle: float
    kind: str = "freehand"


Pattern = OrbitPattern | TaughtPattern | FreehandPattern


def load_viewpoints(name_or_path: str | Path) -> Pattern:
    """Read viewpoints: a name from config/viewpoints, or the path of such a file (one from `lds capture teach`, say).

    Raises:
        SettingsError: there is none, a key is missing or unknown, or a value does not do.
    """
    file = settings_file("viewpoints", name_or_path)
    content = read_mapping(file)
    kind = content.get("kind")
    require(isinstance(kind, str) and kind in _KINDS, file, f"kind must be one of {', '.join(_KINDS)}, not {kind}")
    return settings_of(_KINDS[kind], content, file).pattern(file)


def camera_poses(pattern: OrbitPattern, count: int, rng: np.random.Generator) -> np.ndarray:
    """T_world_camera [count,4,4] of a pattern. Each call gives others: spare ones, say, for some out of reach."""
    phase = rng.uniform()
    along = (np.arange(count) + rng.uniform(-0.25, 0.25, count)) / count % 1
    around, up = {
        "ring": (along, rng.uniform(0, 1, count)),
        "hemisphere": (np.arange(count) * GOLDEN, along),  # a Fibonacci lattice
        "spiral": (along * pattern.turns, along),
    }[pattern.kind]
    azimuth = _between(pattern.azimuth, (around + phase) % 1)
    # Equal areas of a sphere are equal heights.
    elevation = np.arcsin(_between(np.sin(pattern.elevation), up))
    distance = _between(pattern.distance, rng.uniform(0, 1, count))
    targets = pattern.target + np.column_stack([rng.normal(0, pattern.scatter, (count, 2)), np.zeros(count)])
    level = np.cos(elevation)
    outward = np.column_stack([np.cos(azimuth) * level, np.sin(azimuth) * level, np.sin(elevation)])
    return np.stack([look_at(t + d * o, t) for t, d, o in zip(targets, distance, outward, strict=True)])


@dataclass
class _OrbitSettings:
    """The keys of an orbit's file; angles in degrees."""

    kind: str = MISSING
    target: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.03])
    scatter: float = 0.0
    azimuth: list[float] = field(default_factory=lambda: [0.0, 360.0])
    elevation: list[float] = MISSING
    distance: list[float] = MISSING
    turns: float = 1.0

    def pattern(self, file: Path) -> OrbitPattern:
        is_place = are_numbers(self.target, 3)
        require(is_place, file, f"target must be three numbers [x, y, z] in metres, not {self.target}")
        x, y, z = self.target
        require(0 <= self.scatter < 0.5, file, f"scatter must be 0 to 0.5 m, not {self.scatter:g}")
        require(0 < self.turns <= 1000, file, f"turns must be above 0, and 1000 at most, not {self.turns:g}")
        azimuth = _range(self.azimuth, -360, 360, "azimuth", "degrees", file)
        require(azimuth[1] - azimuth[0] <= 360, file, f"azimuth must span 360 degrees or less, not {self.azimuth}")
        elevation = _range(self.elevation, 0, 90, "elevation", "degrees", file)
        distance = _range(self.distance, 0.05, 5, "distance", "m", file)
        return OrbitPattern(
            file.stem, self.kind, (x, y, z), self.scatter, _radians(azimuth), _radians(elevation), distance, self.turns
        )


@dataclass
class _TaughtSettings:
    kind: str = MISSING
    joint_names: list[str] = MISSING
    waypoints: list[list[float]] = MISSING

    def pattern(self, file: Path) -> TaughtPattern:
        names = self.joint_names
        require(bool(self.waypoints), file, "waypoints is empty: teach at least one")
        for number, waypoint in enumerate(self.waypoints, 1):
            require(
                are_numbers(waypoint, len(names)),
                file,
                f"waypoint {number} must be {len(names)} angles in rad, one of each joint, not {waypoint}",
            )
        return TaughtPattern(file.stem, tuple(names), np.array(self.waypoints))


@dataclass
class _FreehandSettings:
    """The keys of a free hand's file; the angle in degrees."""

    kind: str = MISSING
    min_distance: float = MISSING
    min_angle: float = MISSING

    def pattern(self, file: Path) -> FreehandPattern:
        require(self.min_distance > 0, file, f"min_distance must be above 0 m, not {self.min_distance:g}")
        require(self.min_angle > 0, file, f"min_angle must be above 0 degrees, not {self.min_angle:g}")
        return FreehandPattern(file.stem, self.min_distance, math.radians(self.min_angle))


_KINDS: dict[str, type[_OrbitSettings | _TaughtSettings | _FreehandSettings]] = {
    **dict.fromkeys(ORBITS, _OrbitSettings),
    "taught": _TaughtSettings,
    "freehand": _FreehandSettings,
}


def _range(values: list[float], low: float, high: float, key: str, unit: str, file: Path) -> tuple[float, float]:
    fits = are_numbers(values, 2) and low <= values[0] <= values[1] <= high
    require(fits, file, f"{key} must be [from, to] within {low:g} to {high:g} {unit}, not {values}")
    return values[0], values[1]


def _radians(degrees: tuple[float, float]) -> tuple[float, float]:
    return math.radians(degrees[0]), math.radians(degrees[1])


def _between(ends: tuple[float, float] | np.ndarray, share: np.ndarray) -> np.ndarray:
    return ends[0] + share * (ends[1] - ends[0])
