"""Nodes that a roscore was started anew behind: they end with a word, as nobody would find them any more."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("lds_scenes.msg", reason="the ROS messages are not built: run the tests with ./run test")

from network import Network
from processes import PATIENCE, wait_for

from capture import hand_eye_node
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


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    network = Network(tmp_path)
    yield network
    network.close()


def test_nodes_end_with_a_word_where_the_roscore_was_started_anew(
    network: Network, arguments: dict[str, list[str]]
) -> None:
    network.start_roscore()
    nodes = {
        name: network.start(name, "rosrun", "lds_scenes", f"{name}_node.py", *given)
        for name, given in arguments.items()
    }
    for name, sign in READY.items():
        wait_for(f"the {name} node", lambda name=name, sign=sign: sign in network.said(name))
    network.kill_roscore()
    time.sleep(2.5 * Registration.INTERVAL)  # two looks at least that find no roscore
    assert {name: node.poll() for name, node in nodes.items()} == dict.fromkeys(nodes), "they go on without a roscore"
    network.start_roscore()
    for name, node in nodes.items():
        assert node.wait(PATIENCE) == 1, name
        assert "the roscore was started anew and does not know this node" in network.said(name)
        assert "Traceback" not in network.said(name)


def test_a_node_that_subscribes_to_more_while_the_roscore_is_away_is_not_taken_for_known(
    network: Network, arguments: dict[str, list[str]]
) -> None:
    network.start_roscore()
    node = network.start("hand_eye", "rosrun", "lds_scenes", "hand_eye_node.py", *arguments["hand_eye"])
    wait_for("the hand_eye node", lambda: READY["hand_eye"] in network.said("hand_eye"))
    network.kill_roscore()  # before the node listens to tf anew, as it does PATIENCE seconds after that word
    time.sleep(hand_eye_node.PATIENCE + 1.0)
    network.start_roscore()  # which takes the node's new subscription, and knows nothing that it publishes
    assert node.wait(PATIENCE) == 1
    assert "the roscore was started anew and does not know this node" in network.said("hand_eye")
