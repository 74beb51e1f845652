"""A comparison's numbers in words."""

from __future__ import annotations

import math
from collections.abc import Iterable

from lds_models.comparison.numbers import Summary
from lds_models.comparison.pairing import Group

ONE_SCENE = "one scene, no interval"
POINTS = " points"


def written(summary: Summary, spec: str) -> tuple[str, str]:
    """A summary as people read it: the mean, and its spread over seeds or its interval over images."""
    if summary.seeds > 1:
        return f"{summary.mean:{spec}}", f"± {summary.std:{spec}}"
    bounds = f"{summary.low:{spec}} to {summary.high:{spec}}" if math.isfinite(summary.low) else ONE_SCENE
    return f"{summary.mean:{spec}}", bounds


def spread_words(subject: str, seeds: Iterable[int]) -> str:
    """What stands beside means of so many seeds each."""
    of_images = "the mean's 95 % bootstrap interval over scenes"
    of_seeds = "one standard deviation over the seeds"
    several = {count > 1 for count in seeds}
    if several == {False, True}:
        return f"{subject}: {of_seeds}, where there is one seed {of_images}."
    return f"{subject}: {of_seeds if several == {True} else of_images}."


def signed(value: float, spec: str) -> str:
    """A difference as people read it, one digit more than the spec of what differs; of shares in percentage points."""
    digits, kind = int(spec[1:-1]), spec[-1]
    text = f"{100 * value:+.{digits}f}{POINTS}" if kind == "%" else f"{value:+.{digits + 1}f}"
    return text.replace("-", "−")


def signed_range(low: float, high: float, spec: str) -> str:
    """Two differences as people read them, from one to the other."""
    return f"{signed(low, spec).removesuffix(POINTS)} to {signed(high, spec)}"


def signed_spread(difference: Summary, spec: str) -> str:
    """A difference as people read it, with its deviation over the seeds where there are several."""
    mean = signed(difference.mean, spec)
    if difference.seeds == 1:
        return mean
    return f"{mean.removesuffix(POINTS)} ± {signed(difference.std, spec).removeprefix('+')}"


def over_scenes(difference: Summary, spec: str) -> str:
    """A difference's interval over scenes as people read it, or that there is one scene."""
    return signed_range(difference.low, difference.high, spec) if math.isfinite(difference.low) else ONE_SCENE


def over_seeds(difference: Summary, spec: str) -> str:
    """The lowest and the highest difference of a seed as people read them, or that there is one seed."""
    return "one seed" if difference.seeds == 1 else f"seeds {signed_range(difference.least, difference.most, spec)}"


def seeds_words(group: Group) -> str:
    """How many seeds there are, or which one."""
    return f"{len(group.seeds)} seeds" if len(group.seeds) > 1 else f"seed {group.seeds[0]}"


def signed_nats(value: float) -> str:
    """A difference in nats."""
    return f"{value:+.4g}".replace("-", "−")


def grouped(number: int) -> str:
    """A large number with thin spaces between thousands."""
    return f"{number:,}".replace(",", "\u202f")


def trained(group: Group) -> str:
    """How long, and with how many seeds."""
    lengths = sorted({run.steps for run in group.runs if run.steps is not None})
    steps = " or ".join(grouped(length) for length in lengths) or "unknown"
    return f"{steps} steps, {seeds_words(group)}"
