"""Arguments of the launch files that reach the segmentation node."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from processes import launched

pytest.importorskip("lds_scenes.msg", reason="the ROS messages are not built: run the tests with ./run test")

import rospy
from dynamic_reconfigure.msg import Config

GIVEN = {
    "settings": "{min_confidence: 0.7, cosine: 0.85}",
    "region": "10 20 200 200",
    "threads": "2",
    "device": "cpu",
    "keep": "/tmp/kept",
    "keep_every": "2.0",
    "camera_info": "/elsewhere/info",
}


def shown(option: list[str], file: str) -> str:
    """What roslaunch says that it would start."""
    arguments = [f"{name}:={value}" for name, value in GIVEN.items()]
    command = ["roslaunch", *option, "lds_scenes", file, *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def test_the_node_runs_with_the_settings_that_were_given(ros: None, tmp_path: Path) -> None:
    settings, log = "settings:={min_confidence: 0.7, cosine: 0.85, min_aera: 0.01}", tmp_path / "log"
    with launched(log, "perception.launch", "image:=/nowhere/image_raw", settings):
        told = rospy.wait_for_message("/segmentation/parameter_updates", Config, 120)
    values = {double.name: double.value for double in told.doubles}
    assert (values["min_confidence"], values["cosine"]) == (0.7, 0.85)
    assert values["part"] == 0.2  # the weights' own
    assert "~min_aera changes nothing: there is no such parameter" in log.read_text()


def test_robot_launch_hands_perceptions_arguments_on(ros_master: str) -> None:
    parameters = yaml.safe_load(shown(["--dump-params"], "robot.launch"))
    of_node = {
        name.removeprefix("/segmentation/"): value
        for name, value in parameters.items()
        if name.startswith("/segmentation/")
    }
    expected = {
        "min_confidence": 0.7, "cosine": 0.85, "region": "10 20 200 200", "threads": 2, "device": "cpu",
        "record": "/tmp/kept", "record_every": 2.0,
    }  # fmt: skip
    assert {name: of_node.get(name) for name in expected} == expected
    assert "~camera_info:=/elsewhere/info" in shown(["--args", "/segmentation"], "robot.launch")
