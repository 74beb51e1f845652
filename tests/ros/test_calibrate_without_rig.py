"""The calibrate node where what it needs is not there, or does not answer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("lds_scenes.msg", reason="the ROS messages are not built: run the tests with ./run test")

from network import Network
from processes import PATIENCE, wait_for

from capture.calibration.session import Request

ENDLESS = """
import time
import rospy
from std_srvs.srv import SetBool
rospy.init_node("simulation")
rospy.Service("/simulation/show_board", SetBool, lambda _: print("asked", flush=True) or time.sleep(1000))
rospy.spin()
"""


def test_waiting_for_a_rig_that_does_not_answer_can_be_interrupted(tmp_path: Path) -> None:
    request = Request(
        for_lens=False, folder=str(tmp_path / "views"), robot="simulated", camera="simulated", square=0.03, views=20,
        auto=True, simulated=True,
    )  # fmt: skip
    network = Network(tmp_path)
    try:
        network.start_roscore()
        network.start("rig", sys.executable, "-c", ENDLESS)
        node = network.start("node", "rosrun", "lds_scenes", "calibrate_node.py", request.to_json())
        wait_for("the question", lambda: "asked" in network.said("rig"))
        node.send_signal(signal.SIGINT)
        assert node.wait(PATIENCE) == 1 and "stopped as asked" in network.said("node"), network.said("node")
    finally:
        network.close()


def test_node_without_a_roscore_says_so() -> None:
    ended = subprocess.run(
        ["rosrun", "lds_scenes", "calibrate_node.py", "{}"], capture_output=True, text=True, check=False,
        env={**os.environ, "ROS_MASTER_URI": "http://127.0.0.1:1"},
    )  # fmt: skip
    assert ended.returncode == 1
    assert "no roscore at http://127.0.0.1:1" in ended.stderr
