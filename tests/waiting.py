"""Waiting for what other processes do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE = 90.0  # seconds; generous, since a busy machine starts a node slowly

T = TypeVar("T")


def wait_for(what: str, condition: Callable[[], T], timeout: float = PATIENCE) -> T:
    """The first true value of `condition`; fails the test where none comes in time."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not come within {timeout:.0f} s"
        time.sleep(0.02)
    return value
