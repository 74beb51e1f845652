"""How often something happens."""

from __future__ import annotations

from collections.abc import Sequence


def mean_rate(times: Sequence[float]) -> float:
    """How many a second, of times in seconds in their order; 0 where they are fewer than two, or one moment."""
    span = times[-1] - times[0] if len(times) > 1 else 0.0
    return (len(times) - 1) / span if span > 0 else 0.0
