"""What fitting a lens and fitting a hand-eye pose have in common: how many views, and which of them do not belong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from capture.calibration.verdict import Finding
from capture.errors import CalibrationError

MIN_VIEWS = 8
ENOUGH_VIEWS = 15
MAX_DROPPED = 0.2  # of all views

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Fit(Generic[Answer]):
    """An answer, and the views that it rests on.

    Attributes:
        kept: their indices, rising.
        dropped: index and errors [M] of the others, in the order in which they were left out.
        more: whether some of those kept do not fit either, but too many would be gone without them.
    """

    answer: Answer
    kept: list[int]
    dropped: list[tuple[int, np.ndarray]]
    more: bool


def fit_without_outliers(
    views: int, fit: Callable[[list[int]], tuple[Answer, np.ndarray]], times: float, floor: Sequence[float]
) -> Fit[Answer]:
    """Fit, leave out the view that fits least, fit again, until all fit or too many would be gone.

    Args:
        views: how many there are.
        fit: the answer from the views of some indices, and their errors [N,M], of M kinds.
        times: the median of all views' errors; beyond, a view does not fit.
        floor: [M], errors that are no reason to leave a view out, whatever the median.
    """
    kept = list(range(views))
    dropped: list[tuple[int, np.ndarray]] = []
    while True:
        answer, errors = fit(kept)
        excess = (errors / np.maximum(times * np.median(errors, axis=0), floor)).max(1)
        worst = int(excess.argmax())
        too_many = len(dropped) + 1 > MAX_DROPPED * views or len(kept) <= MIN_VIEWS
        if excess[worst] <= 1 or too_many:
            return Fit(answer, kept, dropped, bool(excess[worst] > 1))
        dropped.append((kept.pop(worst), errors[worst]))


def require_views(usable: int, given: int, what: str) -> None:
    """Raises CalibrationError where `what` cannot be had from so few views that show the board well enough."""
    if usable < MIN_VIEWS:
        raise CalibrationError(
            f"{usable} of {given} views show the board well enough, and {what} needs {MIN_VIEWS} at the least, better "
            f"{ENOUGH_VIEWS} and more: take further ones, with the board in sharp sight"
        )


def few_views(views: int) -> list[Finding]:
    """A finding where an answer rests on few views."""
    if views >= ENOUGH_VIEWS:
        return []
    return [Finding("usable", f"{views} views are few: take {ENOUGH_VIEWS} or more")]
