"""A roscore of a test's own, which may die and be started anew, and processes that talk to it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import uuid
from pathlib import Path

import rosgraph
from ports import free_port
from processes import marked, wait_for


class Network:
    """What each process says goes to a log in `folder`; `port` is the roscore's."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._mark, self.port = folder, uuid.uuid4().hex, free_port()
        self._running: list[subprocess.Popen] = []

    def start_roscore(self) -> None:
        self.start("roscore", "roscore", "-p", str(self.port))
        master = rosgraph.Master("/tests", f"http://127.0.0.1:{self.port}")
        wait_for("the roscore", lambda: _answers(master))

    def kill_roscore(self) -> None:
        for part in ("bin/roscore", "bin/rosmaster", "rosout/rosout"):
            for pid in marked(self._mark, part):
                os.kill(pid, signal.SIGKILL)
        wait_for("the end of the roscore", lambda: not marked(self._mark, "rosmaster") and self._is_port_free())

    def _is_port_free(self) -> bool:
        """A process that ends gives its port back a little after its memory, by which it is found."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) != 0

    def start(self, log: str, *command: str) -> subprocess.Popen:
        environment = {**os.environ, "LDS_TEST_MARK": self._mark, "ROS_IP": "127.0.0.1", "PYTHONUNBUFFERED": "1"}
        environment["ROS_MASTER_URI"] = f"http://127.0.0.1:{self.port}"
        with (self.folder / log).open("ab") as output:
            self._running.append(subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            ))  # fmt: skip
        return self._running[-1]

    def said(self, log: str) -> str:
        return " ".join((self.folder / log).read_text().split())

    def close(self) -> None:
        for process in reversed(self._running):
            process.send_signal(signal.SIGINT)
        for process in reversed(self._running):
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        for pid in marked(self._mark):
            os.kill(pid, signal.SIGKILL)


def _answers(master: rosgraph.Master) -> bool:
    try:
        return bool(master.getUri())
    except OSError:
        return False
