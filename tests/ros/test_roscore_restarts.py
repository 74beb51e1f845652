"""Nodes that a roscore was started anew behind: they end with a word, as nobody would find them any more."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
import pytest
from ports import free_port
from processes import PATIENCE, wait_for

pytest.importorskip("lds_scenes.msg", reason="the ROS messages are not built: run the tests with ./run test")

from rosgraph import Master

from lds_ros.nodes import Registration

READY = {"segmentation": "segmenting ", "camera": "is published on ", "hand_eye": "is on the frame "}  # in a node's log


@pytest.fixture
def arguments(tiny_weights: Path, tmp_path: Path) -> dict[str, list[str]]:
    """What each node needs."""
    cv2.imwrite(str(tmp_path / "0.png"), np.zeros((48, 64, 3), np.uint8))
    webcam = tmp_path / "webcam.yaml"
    webcam.write_text(f"kind: webcam\ndevice: {tmp_path}/%d.png\nfps: 20\nlatency: 0\n")
    return {
        "segmentation": [f"_weights:={tiny_weights}"],
        "camera": [f"_camera:={webcam}"],
        "hand_eye": ["_robot:=simulated", "_calibration:=simulated"],
    }


class Network:
    """A roscore of its own, which may be started anew, and nodes that talk to it."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._port, self._running = folder, str(free_port()), ExitStack()
        self._uri = f"http://127.0.0.1:{self._port}"

    def start_roscore(self) -> subprocess.Popen:
        roscore = self.start("roscore", "roscore", "-p", self._port)
        master = Master("/tests", self._uri)
        wait_for("the roscore", lambda: is_online(master))
        return roscore

    def start(self, log: str, *command: str) -> subprocess.Popen:
        environment = {**os.environ, "ROS_MASTER_URI": self._uri, "PYTHONUNBUFFERED": "1"}
        with (self._folder / log).open("ab") as output:
            process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        self._running.callback(stop, process)
        return process

    def said(self, log: str) -> str:
        return (self._folder / log).read_text()

    def close(self) -> None:
        self._running.close()


def stop(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()


def is_online(master: Master) -> bool:
    try:
        return bool(master.getUri())
    except OSError:
        return False


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    network = Network(tmp_path)
    yield network
    network.close()


def test_nodes_end_with_a_word_where_the_roscore_was_started_anew(
    network: Network, arguments: dict[str, list[str]]
) -> None:
    roscore = network.start_roscore()
    nodes = {
        name: network.start(name, "rosrun", "lds_scenes", f"{name}_node.py", *given)
        for name, given in arguments.items()
    }
    for name, sign in READY.items():
        wait_for(f"the {name} node", lambda name=name, sign=sign: sign in network.said(name))
    stop(roscore)
    time.sleep(2.5 * Registration.INTERVAL)  # two looks at least that find no roscore
    assert {name: node.poll() for name, node in nodes.items()} == dict.fromkeys(nodes), "they go on without a roscore"
    network.start_roscore()
    for name, node in nodes.items():
        assert node.wait(PATIENCE) == 1, name
        assert "the roscore was started anew and does not know this node" in network.said(name)
        assert "Traceback" not in network.said(name)
