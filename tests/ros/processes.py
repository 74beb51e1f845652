"""What the tests of real nodes share: what they say, the processes that came of a command, and waiting for both."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from waiting import PATIENCE as PATIENCE
from waiting import wait_for as wait_for

ROOT = Path(__file__).resolve().parent.parent.parent


def heard(process: subprocess.Popen, words: str, timeout: float = PATIENCE) -> str:
    """What a process prints, up to `words`; fails the test where it ends before, or does not say them in time."""
    pipe, said, deadline = process.stdout.fileno(), b"", time.monotonic() + timeout
    while not said.endswith(words.encode()):
        ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"'{words}' was not said within {timeout:.0f} s; but this was: {said.decode()}"
        letter = os.read(pipe, 1)  # no more than that: the rest is for whoever reads on
        assert letter, f"it ended without '{words}'; it said: {said.decode()}"
        said += letter
    return said.decode()


def marked(mark: str, part: str = "") -> dict[int, str]:
    """The command lines of all processes that inherited the mark, by pid; only those with `part` in them."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"LDS_TEST_MARK={mark}".encode() in (process / "environ").read_bytes():
                found[int(process.name)] = (process / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
    return {pid: line for pid, line in found.items() if part in line}


@contextmanager
def launched(log: Path, *arguments: str) -> Iterator[None]:
    """`roslaunch lds_scenes` with a segmentation node at work; what it says goes to `log`."""
    import rospy

    with log.open("wb") as output:
        launch = subprocess.Popen(["roslaunch", "lds_scenes", *arguments], stdout=output, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        launch.send_signal(signal.SIGINT)
        launch.wait(PATIENCE)
        rospy.delete_param("/segmentation")  # roslaunch leaves it to the next node of this name
