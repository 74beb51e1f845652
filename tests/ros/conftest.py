"""A rospy node for the tests, and nodes of ours as real processes under a real roscore."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 90.0  # seconds; generous, since a busy machine starts a node slowly

T = TypeVar("T")


def wait_for(what: str, condition: Callable[[], T], timeout: float = PATIENCE) -> T:
    """The first true value of `condition`; fails the test where none comes in time."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not come within {timeout:.0f} s"
        time.sleep(0.02)
    return value


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


@pytest.fixture(scope="session")
def ros(ros_master: str) -> None:
    """This process as a node."""
    import rospy

    rospy.init_node("tests", disable_signals=True)


@pytest.fixture(scope="session")
def start_node(ros_master: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., subprocess.Popen]]:
    """A function that starts a node, given its script, its name and its private parameters; all end with the tests."""
    running: list[subprocess.Popen] = []

    def start(script: str, name: str, **parameters: object) -> subprocess.Popen:
        log = tmp_path_factory.mktemp(name) / "log"
        arguments = [f"__name:={name}", *(f"_{key}:={value}" for key, value in parameters.items())]
        with log.open("wb") as output:
            node = subprocess.Popen(
                ["rosrun", "lds_scenes", script, *arguments], stdout=output, stderr=subprocess.STDOUT
            )
        node.log = log
        running.append(node)
        return node

    yield start
    for node in running:
        if node.poll() is None:
            node.send_signal(signal.SIGINT)
    for node in running:
        try:
            node.wait(15)
        except subprocess.TimeoutExpired:
            node.kill()
