"""Child processes that outlive neither an interrupt nor this process."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from lds_cli import supervise

STOP_TIMEOUT = supervise.GRACE + 2 * supervise.LAST_GRACE + 10.0  # seconds; what supervise.py takes, and some more
POLL = 0.1  # seconds


def supervised(command: Sequence[str]) -> list[str]:
    """The command line that runs `command` so that nothing that it starts outlives it: see `supervise`."""
    return [sys.executable, supervise.__file__, *command]


def stop(process: subprocess.Popen[bytes]) -> None:
    """Interrupt a supervised command and wait for its end; kill it where it does not end within STOP_TIMEOUT.

    Does not wait in the system, so that it may be called in a signal's handler.
    """
    deadline = time.monotonic() + STOP_TIMEOUT
    process.send_signal(signal.SIGINT)
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(POLL)
    process.kill()


def interrupt_with_parent() -> None:
    """Let the kernel interrupt this process when its parent dies, were it by kill -9."""
    ctypes.CDLL(None).prctl(supervise.PARENT_DEATH_SIGNAL, signal.SIGINT)
