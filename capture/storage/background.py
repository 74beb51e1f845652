"""Scenes are finished beside the recording of the next one, in order, by one thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from capture.storage.partial_scene import PartialScene

MAX_WAITING = 2  # scenes at most; whoever finishes faster than the disk waits


class BackgroundFinisher:
    """A thread does it: HDF5 and NumPy let others run while they compress.

    It runs at the common priority: at a lower one it was slow to give the interpreter's lock back to who stores a view.
    """

    def __init__(self, finish: Callable[[PartialScene], None]) -> None:
        self._finish = finish
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="finish-scene")
        self._results: deque[Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many scenes are not finished yet."""
        return sum(not result.done() for result in self._results)

    def submit(self, scene: PartialScene) -> None:
        """Finish `scene` in its turn. Raises what went wrong with an earlier one."""
        try:
            self.collect(MAX_WAITING - 1)
        finally:
            self._results.append(self._thread.submit(self._finish, scene))

    def collect(self, at_most: int = MAX_WAITING) -> None:
        """Wait until no more than `at_most` scenes are unfinished. Raises, once, what went wrong with one of them."""
        while self._results and (len(self._results) > at_most or self._results[0].done()):
            self._results.popleft().result()

    def close(self) -> None:
        """Wait for all. Raises what went wrong first."""
        try:
            self.collect(at_most=0)
        finally:
            self._thread.shutdown()
