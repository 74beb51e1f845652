"""A roscore that dies while it answers: what comes of it is half a message, and whoever asked goes on."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("lds_scenes.msg", reason="the ROS messages are not built: run the tests with ./run test")

from network import Network
from processes import PATIENCE, wait_for

from lds_cli.launching import nodes_of
from lds_ros.nodes import node_lives
from lds_ros.publishers import explain_silence

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 300\r\n\r\n"
HALF = HEAD + b"<?xml version='1.0'?><methodResponse><par"
HALVES = {"nothing": b"", "half a line": HEAD[:10], "no content": HEAD, "half the content": HALF}


class CutOff:
    """Answers every request at a port with the beginning of an answer. `asked` counts them."""

    def __init__(self, answer: bytes, port: int = 0) -> None:
        self.asked, self._answer = 0, answer
        self._socket = socket.create_server(("127.0.0.1", port))
        self.uri = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)  # which ends the waiting for the next one
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.recv(2**16)
                connection.sendall(self._answer)
            self.asked += 1


@pytest.fixture(params=HALVES.values(), ids=HALVES.keys())
def cut_off(ros: None, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[CutOff]:
    """The roscore of this process."""
    roscore = CutOff(request.param)
    monkeypatch.setenv("ROS_MASTER_URI", roscore.uri)
    yield roscore
    roscore.close()


def test_whether_a_node_lives_cannot_be_told_then(cut_off: CutOff) -> None:
    assert node_lives("/anybody")


def test_a_topic_is_silent_for_want_of_a_roscore_then(cut_off: CutOff) -> None:
    told = explain_silence("/camera/image_raw", "sensor_msgs/Image")
    assert not told.has_publisher and told.reason.startswith("roscore does not answer")


def test_a_command_finds_no_roscore_then(cut_off: CutOff) -> None:
    assert nodes_of(cut_off.uri) is None


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    network = Network(tmp_path)
    yield network
    network.close()


def test_a_node_still_watches_for_the_roscore_that_comes_after_it(network: Network) -> None:
    network.start_roscore()
    given = ("_robot:=simulated", "_calibration:=simulated")
    node = network.start("hand_eye", "rosrun", "lds_scenes", "hand_eye_node.py", *given)
    wait_for("the hand_eye node", lambda: "is on the frame " in network.said("hand_eye"))
    network.kill_roscore()
    cut_off = CutOff(HALF, network.port)
    wait_for("the node's look for the roscore", lambda: cut_off.asked >= 3)
    cut_off.close()
    network.start_roscore()
    assert node.wait(PATIENCE) == 1
    assert "the roscore was started anew" in network.said("hand_eye") and "Traceback" not in network.said("hand_eye")
