"""Messages of one topic that wait for those of another with the same stamp."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")

KEPT = 30


class Stamped(Generic[T]):
    """The newest values by their stamps, in seconds. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._values: OrderedDict[float, T] = OrderedDict()

    def put(self, stamp: float, value: T) -> None:
        with self._changed:
            self._values[stamp] = value
            if len(self._values) > KEPT:
                self._values.popitem(last=False)
            self._changed.notify_all()

    def offsets(self, stamp: float) -> list[float]:
        """By how much each value is stamped later than `stamp`, seconds; oldest first."""
        with self._changed:
            return sorted(other - stamp for other in self._values)

    def near(self, stamp: float, tolerance: float, timeout: float) -> T | None:
        """The value whose stamp is nearest, if within the tolerance.

        Waits up to `timeout` seconds for one where the newest is older than that, and not at all where none ever came.
        """

        def is_decided() -> bool:
            return not self._values or max(self._values) >= stamp - tolerance

        with self._changed:
            self._changed.wait_for(is_decided, timeout)
            nearest = min(self._values, key=lambda other: abs(other - stamp), default=None)
            return None if nearest is None or abs(nearest - stamp) > tolerance else self._values[nearest]
