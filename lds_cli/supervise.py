"""Run a command so that nothing it started outlives it, however it ends: `python supervise.py COMMAND ARGUMENTS`.

roslaunch that is interrupted while it starts its nodes may hang, or end without its roscore. Processes that lose their
parent become this one's children, and those that are left at the end are killed. SIGINT, SIGTERM and the death of
whoever started this interrupt the command. A script of its own, so that it starts at once.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

GRACE = 20.0  # seconds for the command to end after it was interrupted; roslaunch gives its nodes up to 17
LAST_GRACE = 5.0  # seconds between SIGTERM and SIGKILL

PARENT_DEATH_SIGNAL, CHILD_SUBREAPER = 1, 36  # from linux/prctl.h


def main(command: list[str]) -> int:
    """The command's exit code, as a shell gives it."""
    prctl = ctypes.CDLL(None).prctl
    prctl(CHILD_SUBREAPER, 1)
    stop: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: stop.append(number))
    prctl(PARENT_DEATH_SIGNAL, signal.SIGINT)
    process = subprocess.Popen(command)
    while process.poll() is None and not stop:
        time.sleep(0.05)
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
    _end_all()
    code = process.wait()
    return code if code >= 0 else 128 - code


def _end_all() -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + LAST_GRACE
        for pid in _descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        while _descendants(os.getpid()) and time.monotonic() < deadline:
            time.sleep(0.05)


def _descendants(pid: int) -> list[int]:
    """All running processes that a process started, directly or not."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text(errors="replace")  # the name of a process need not be UTF-8
            state, parent = text.rpartition(")")[2].split()[:2]
        except OSError:
            continue  # ended meanwhile
        if state != "Z":
            parents[int(stat.parent.name)] = int(parent)
    children = [child for child, parent in parents.items() if parent == pid]
    return children + [process for child in children for process in _descendants(child)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
