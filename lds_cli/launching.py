"""Run a launch file or a node of ours from a command, and leave nothing behind."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import cast
from urllib.parse import urlparse
from xml.parsers.expat import ExpatError
from xmlrpc.client import Error as XmlError
from xmlrpc.client import ServerProxy

from lds_cli.processes import interrupt_with_parent, stop, supervised

SystemState = tuple[int, str, list[list[tuple[str, list[str]]]]]  # code, message, [name, nodes] of topics and services

USUAL_PORT = 11311
MASTER_TIMEOUT = 60.0  # seconds that a roscore may take to come up


class LaunchError(Exception):
    """ROS is not there, or something of the same name runs already. The message says what to do."""

    exit_code = 1


def choose_master(nodes: list[str]) -> str:
    """The URI of the ROS master to use: the one at ROS_MASTER_URI if it answers, else one that roslaunch is to start.

    A new one gets the usual port, so that `rostopic` in another shell finds it, or any free one where that is taken.

    Raises:
        LaunchError: the master that answers has one of the `nodes` already, which a second one would throw out.
    """
    uri = os.environ.get("ROS_MASTER_URI", "")
    running = nodes_of(uri) if uri else None
    if running is None:
        return f"http://127.0.0.1:{_free_port()}"
    if clash := sorted(running.intersection(nodes)):
        raise LaunchError(f"{clash[0]} runs already under the roscore at {uri}: stop it, or unset ROS_MASTER_URI")
    return uri


def run_in_terminal(script: str, arguments: list[str], master: str | None = None) -> int:
    """`rosrun lds_scenes SCRIPT ARGUMENTS` in this terminal, to its end; its exit code.

    Ctrl-C is for the node, which may have an arm to stop first: it is passed on, and nothing here kills it meanwhile.
    The node is interrupted as well where this process dies.

    Args:
        master: the URI of the ROS master; None: as the environment says.

    Raises:
        LaunchError: there is no rosrun on the path.
    """
    _require("rosrun")
    environment = None if master is None else environment_under(master)
    command = ["rosrun", "lds_scenes", script, *arguments]
    node = subprocess.Popen(command, env=environment, preexec_fn=interrupt_with_parent)
    before = signal.signal(signal.SIGINT, lambda *_: node.send_signal(signal.SIGINT))
    try:
        return node.wait()
    finally:
        signal.signal(signal.SIGINT, before)


class Launch:
    """`roslaunch lds_scenes FILE NAME:=VALUE ...` in the background; a context manager that ends it with all its nodes.

    Args:
        log: takes all that roslaunch and the nodes print.

    Raises:
        LaunchError: there is no roslaunch on the path.
    """

    def __init__(self, file: str, arguments: Mapping[str, object], master: str, log: Path) -> None:
        _require("roslaunch")
        self.log, self._master = log, master
        log.parent.mkdir(parents=True, exist_ok=True)
        launch = ["roslaunch", "lds_scenes", file, *(f"{name}:={value}" for name, value in arguments.items())]
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                supervised(launch), stdout=output, stderr=subprocess.STDOUT, env=environment_under(master),
                start_new_session=True, preexec_fn=interrupt_with_parent,
            )  # fmt: skip

    def __enter__(self) -> Launch:
        return self

    def __exit__(self, *_: object) -> None:
        stop(self._process)
        self._process.wait()

    def wait(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for the launch to end by itself; whether it did."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def wait_for_master(self, node: str | None = None) -> None:
        """Wait until its roscore answers, and knows `node`.

        Raises:
            LaunchError: it ended before, or took longer than MASTER_TIMEOUT.
        """
        deadline = time.monotonic() + MASTER_TIMEOUT
        while (running := nodes_of(self._master)) is None or not (node is None or node in running):
            if self.wait(0.2):
                raise LaunchError(f"the nodes ended: {self.reason()}. All that they said is in {self.log}")
            if time.monotonic() > deadline:
                what = f"no {node or 'roscore'} came up at {self._master}"
                raise LaunchError(f"{what} within {MASTER_TIMEOUT:.0f} s: see {self.log}")

    def process_of(self, node: str) -> int:
        """The process id of a node that runs on this machine."""
        _, _, uri = cast("tuple[int, str, str]", ServerProxy(self._master).lookupNode("/lds", node))
        _, _, pid = cast("tuple[int, str, int]", ServerProxy(uri).getPid("/lds"))
        return pid

    def reason(self) -> str:
        """The line of the log that says best why it failed."""
        lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).strip("= ") for line in self.log.read_text().splitlines()]
        fatal = [line.partition("]: ")[2] for line in lines if line.startswith("[FATAL]")]
        starts = ("error", "shutdown request", "required process", "rlexception")
        told = fatal or [line for line in lines if line.lower().startswith(starts)] or lines[-1:]
        return told[0] if told else "roslaunch printed nothing"


def nodes_of(master: str) -> set[str] | None:
    """The names of all nodes that publish something under a master, or None where none answers."""
    address = urlparse(master)
    try:
        socket.create_connection((address.hostname or "", address.port or USUAL_PORT), timeout=2).close()
        _, _, (publishers, *_) = cast(SystemState, ServerProxy(master).getSystemState("/lds"))
    except (OSError, ValueError, HTTPException, ExpatError, XmlError):  # some of a roscore that dies while it answers
        return None
    return {node for _, nodes in publishers for node in nodes}


def environment_under(master: str) -> dict[str, str]:
    """This process's environment, for nodes under a master; under one on this machine they need no other's network."""
    environment = {**os.environ, "ROS_MASTER_URI": master}
    if urlparse(master).hostname == "127.0.0.1":
        environment["ROS_IP"] = "127.0.0.1"
        environment.pop("ROS_HOSTNAME", None)
    return environment


def log_folder() -> Path:
    """Where ROS keeps its logs: https://wiki.ros.org/ROS/EnvironmentVariables."""
    home = os.environ.get("ROS_HOME", Path.home() / ".ros")
    return Path(os.environ.get("ROS_LOG_DIR", Path(home) / "log"))


def _require(program: str) -> None:
    if shutil.which(program) is None:
        raise LaunchError("ROS is not on the path: start this with ./run (say, `./run demo`), or source its setup.bash")


def _free_port() -> int:
    for port in (USUAL_PORT, 0) if _reserve_usual_port() else (0,):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise LaunchError("this machine has no free port for a roscore")


_reserved: list[int] = []  # handles of locks, held as long as this process runs


def _reserve_usual_port() -> bool:
    """Whether the usual port is ours: another command may have chosen it whose roscore is not up yet."""
    lock = Path(tempfile.gettempdir()) / f"lds_roscore_{USUAL_PORT}_{os.getuid()}"
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return bool(_reserved)
    _reserved.append(handle)
    return True
