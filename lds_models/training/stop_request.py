"""Ctrl-C and SIGTERM as a wish to stop at the next good moment."""

from __future__ import annotations

import signal
import threading


class StopRequest:
    """While it is entered, SIGINT and SIGTERM set `made` instead of breaking a step off half-way."""

    made = False

    def __enter__(self) -> StopRequest:
        self._before = {}
        if threading.current_thread() is threading.main_thread():  # signals can be caught there alone
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def _note(self, *_: object) -> None:
        self.made = True

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
