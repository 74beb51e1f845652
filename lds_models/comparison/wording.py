"""A comparison's numbers in words."""

from __future__ import annotations

import math
from collections.abc import Iterable

from lds_models.comparison.numbers import Summary
from lds_models.comparison.pairing import Group

ONE_SCENE = "one scene, no interval"


def written(summary: Summary, spec: str) -> tuple[str, str]:
    """A summary as people read it: the mean, and its spread over seeds or its interval over images."""
    if summary.seeds > 1:
        return f"{summary.mean:{spec}}", f"± {summary.std:{spec}}"
    bounds = f"{summary.low:{spec}} to {summary.high:{spec}}" if math.isfinite(summary.low) else ONE_SCENE
    return f"{summary.mean:{spec}}", bounds


def spread_words(subject: str, seeds: Iterable[int]) -> str:
    """What stands beside means of so many seeds each."""
    over_images = "the mean's 95 % bootstrap interval over scenes"
    over_seeds = "one standard deviation over the seeds"
    several = {count > 1 for count in seeds}
    if several == {False, True}:
        return f"{subject}: {over_seeds}, where there is one seed {over_images}."
    return f"{subject}: {over_seeds if several == {True} else over_images}."


def signed(value: float, spec: str) -> str:
    """A difference as people read it, one digit more than the spec of what differs; of shares in percentage points."""
    digits, kind = int(spec[1:-1]), spec[-1]
    text = f"{100 * value:+.{digits}f} points" if kind == "%" else f"{value:+.{digits + 1}f}"
    return text.replace("-", "−")


def signed_nats(value: float) -> str:
    """A difference in nats."""
    return f"{value:+.4g}".replace("-", "−")


def grouped(number: int) -> str:
    """A large number with thin spaces between thousands."""
    return f"{number:,}".replace(",", "\u202f")


def trained(group: Group) -> str:
    """How long, and with how many seeds."""
    seeds = len(group.seeds)
    lengths = sorted({run.steps for run in group.runs if run.steps is not None})
    steps = " or ".join(grouped(length) for length in lengths) or "unknown"
    return f"{steps} steps, {f'{seeds} seeds' if seeds > 1 else f'seed {group.seeds[0]}'}"
