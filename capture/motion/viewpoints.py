"""Where to look from: ring, hemisphere or spiral around the objects, taught joint positions, or a free hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from omegaconf import MISSING

from capture.settings_file import are_numbers, read_mapping, require, settings_file, settings_of
from datasets.camera import look_at

ORBITS = ("ring", "hemisphere", "spiral")
GOLDEN = (5**0.5 - 1) / 2


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
    require(isinstance(kind, str) and kind in _READERS, file, f"kind must be one of {', '.join(_READERS)}, not {kind}")
    schema, read = _READERS[kind]
    return read(settings_of(schema, content, file), file)


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


@dataclass
class _TaughtSettings:
    kind: str = MISSING
    joint_names: list[str] = MISSING
    waypoints: list[list[float]] = MISSING


@dataclass
class _FreehandSettings:
    kind: str = MISSING
    min_distance: float = MISSING
    min_angle: float = MISSING


def _orbit(settings: _OrbitSettings, file: Path) -> OrbitPattern:
    require(
        are_numbers(settings.target, 3),
        file,
        f"target must be three numbers [x, y, z] in metres, not {settings.target}",
    )
    require(0 <= settings.scatter < 0.5, file, f"scatter must be 0 to 0.5 m, not {settings.scatter:g}")
    require(0 < settings.turns <= 1000, file, f"turns must be above 0, and 1000 at most, not {settings.turns:g}")
    azimuth = _range(settings.azimuth, -360, 360, "azimuth", "degrees", file)
    require(azimuth[1] - azimuth[0] <= 360, file, f"azimuth must span 360 degrees or less, not {settings.azimuth}")
    elevation = _range(settings.elevation, 0, 90, "elevation", "degrees", file)
    return OrbitPattern(
        file.stem,
        settings.kind,
        tuple(settings.target),
        settings.scatter,
        tuple(np.deg2rad(azimuth)),
        tuple(np.deg2rad(elevation)),
        _range(settings.distance, 0.05, 5, "distance", "m", file),
        settings.turns,
    )


def _taught(settings: _TaughtSettings, file: Path) -> TaughtPattern:
    names = settings.joint_names
    require(bool(settings.waypoints), file, "waypoints is empty: teach at least one")
    for number, waypoint in enumerate(settings.waypoints, 1):
        require(
            are_numbers(waypoint, len(names)),
            file,
            f"waypoint {number} must be {len(names)} angles in rad, one of each joint, not {waypoint}",
        )
    return TaughtPattern(file.stem, tuple(names), np.array(settings.waypoints))


def _freehand(settings: _FreehandSettings, file: Path) -> FreehandPattern:
    require(settings.min_distance > 0, file, f"min_distance must be above 0 m, not {settings.min_distance:g}")
    require(settings.min_angle > 0, file, f"min_angle must be above 0 degrees, not {settings.min_angle:g}")
    return FreehandPattern(file.stem, settings.min_distance, float(np.deg2rad(settings.min_angle)))


_READERS = {
    **dict.fromkeys(ORBITS, (_OrbitSettings, _orbit)),
    "taught": (_TaughtSettings, _taught),
    "freehand": (_FreehandSettings, _freehand),
}


def _range(values: list[float], low: float, high: float, key: str, unit: str, file: Path) -> tuple[float, float]:
    fits = are_numbers(values, 2) and low <= values[0] <= values[1] <= high
    require(fits, file, f"{key} must be [from, to] within {low:g} to {high:g} {unit}, not {values}")
    return values[0], values[1]


def _between(ends: tuple[float, float] | np.ndarray, share: np.ndarray) -> np.ndarray:
    return ends[0] + share * (ends[1] - ends[0])
