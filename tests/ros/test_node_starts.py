"""What the nodes say where they cannot start."""

from __future__ import annotations

import os
import subprocess

import pytest

pytest.importorskip("lds_scenes.msg", reason="the ROS messages are not built: run the tests with ./run test")

PATIENCE = 60.0  # seconds


def ended(script: str, **environment: str) -> subprocess.CompletedProcess:
    """A node without parameters, once it has ended."""
    return subprocess.run(
        ["rosrun", "lds_scenes", script, f"__name:=lonely_{script.removesuffix('.py')}"],
        env={**os.environ, **environment}, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "node",
    ["camera", "capture", "hand_eye", "player", "record", "scorer", "segmentation", "simulation", "teach", "wander"],
)
def test_without_a_roscore_a_node_says_how_to_start_one(node: str) -> None:
    told = ended(f"{node}_node.py", ROS_MASTER_URI="http://127.0.0.1:9")
    assert told.returncode == 1
    assert f"{node}_node: no roscore at http://127.0.0.1:9: start one with `roscore`" in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize(
    ("node", "parameter"),
    [("camera", "camera"), ("player", "data"), ("scorer", "out")]
    + [(node, "robot") for node in ("hand_eye", "teach", "wander")],
)
def test_a_parameter_that_is_not_set_is_named(ros_master: str, node: str, parameter: str) -> None:
    told = ended(f"{node}_node.py")
    assert told.returncode == 2
    (line,) = [line for line in (told.stdout + told.stderr).splitlines() if f"{node}_node" in line]
    assert f"the parameter ~{parameter} is not set" in line
    assert "Traceback" not in told.stderr
