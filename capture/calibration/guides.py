"""What views are still wanted: one guide for a lens, one for a hand-eye calibration."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from capture.calibration.board import Board, Detection
from capture.calibration.coverage import Coverage
from capture.calibration.poses import difference
from capture.calibration.rotation_spread import GOOD_SECOND_AXIS, rotation_spread, spread_finding

MOST = 2.0  # times the views asked for, after which no further ones are waited for
NEW_ANGLE = 8.0  # degrees from every other view, or
NEW_DISTANCE = 60.0  # mm


class Guide(Protocol):
    """Knows the views so far. A view is a usable detection and T_base_tool [4,4], which is None for a lens alone."""

    def is_new(self, detection: Detection, T_base_tool: np.ndarray | None) -> bool:
        """Whether a view would add something."""

    def add(self, detection: Detection, T_base_tool: np.ndarray | None) -> None:
        """Count a view in."""

    @property
    def done(self) -> bool:
        """Whether there are enough views."""

    @property
    def status(self) -> str:
        """How far it is, and what to do next, in one line."""


class LensGuide:
    """Wants `views` pictures or more, with the board all over the picture, near, far and tilted."""

    def __init__(self, board: Board, views: int) -> None:
        self._coverage, self._wanted, self._count = Coverage(board), views, 0

    def is_new(self, detection: Detection, _: np.ndarray | None) -> bool:
        return self._coverage.is_new(detection)

    def add(self, detection: Detection, _: np.ndarray | None) -> None:
        self._coverage.add(detection)
        self._count += 1

    @property
    def done(self) -> bool:
        enough = self._count >= self._wanted and not self._coverage.advice
        return enough or self._count >= MOST * self._wanted

    @property
    def status(self) -> str:
        parts = "  ".join(f"{name} {_bar(share)}" for name, share in self._coverage.progress.items())
        advice = self._coverage.advice or "go on, anywhere else"
        return f"{self._count:2d}/{self._wanted}  {parts}  {advice}"


class HandEyeGuide:
    """Wants `views` poses or more that turn the camera enough about two axes and more."""

    def __init__(self, views: int) -> None:
        self._wanted = views
        self._poses: list[np.ndarray] = []

    def is_new(self, _: Detection, T_base_tool: np.ndarray | None) -> bool:
        apart = [difference(_known(T_base_tool), other) for other in self._poses]
        return all(angle > NEW_ANGLE or distance > NEW_DISTANCE for angle, distance in apart)

    def add(self, _: Detection, T_base_tool: np.ndarray | None) -> None:
        self._poses.append(_known(T_base_tool))

    @property
    def done(self) -> bool:
        count = len(self._poses)
        varied = spread_finding(self._spread) is None
        return (count >= self._wanted and varied) or count >= MOST * self._wanted

    @property
    def status(self) -> str:
        spread = self._spread
        finding = spread_finding(spread)
        advice = "tilt the camera in several directions, and roll it" if finding else "go on, from anywhere else"
        turned = f"turned {spread[0]:.0f} and {spread[1]:.0f} deg {_bar(spread[1] / GOOD_SECOND_AXIS)}"
        return f"{len(self._poses):2d}/{self._wanted}  {turned}  {advice}"

    @property
    def _spread(self) -> np.ndarray:
        return rotation_spread(np.array(self._poses).reshape(-1, 4, 4))


def _known(T_base_tool: np.ndarray | None) -> np.ndarray:
    if T_base_tool is None:
        raise ValueError("a hand-eye calibration needs to know where the tool is")
    return T_base_tool


def _bar(share: float) -> str:
    filled = round(5 * min(1.0, share))
    return "\u2588" * filled + "\u2591" * (5 - filled)
