"""What the numbers of a calibration say in words: findings, and the verdict that they add up to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

GRADES = ("good", "usable", "bad")


class Finding(NamedTuple):
    """A grade, and the reason why it is not better; what is found `good` is only noted."""

    grade: str
    reason: str


@dataclass(frozen=True)
class Verdict:
    """What the numbers of a calibration say in words.

    Attributes:
        grade: good, usable (recording takes it; a better one is worth the minutes) or bad (recording refuses it).
        reasons: why it is not better, and what to do about each; notes on what was left out. May be empty.
    """

    grade: str
    reasons: tuple[str, ...] = ()

    @staticmethod
    def of(findings: Sequence[Finding]) -> Verdict:
        """The worst grade among findings."""
        worst = max((finding.grade for finding in findings), key=GRADES.index, default="good")
        return Verdict(worst, tuple(finding.reason for finding in findings))


def exceeding(measured: ArrayLike, usable: ArrayLike, bad: ArrayLike, reason: str) -> list[Finding]:
    """A finding where one of the measured numbers is above its limit, for `usable` or for `bad`; else none."""
    if np.any(np.greater(measured, bad)):
        return [Finding("bad", reason)]
    return [Finding("usable", reason)] if np.any(np.greater(measured, usable)) else []
