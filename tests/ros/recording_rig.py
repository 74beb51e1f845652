"""The simulated rig with a capture node under a real roscore, and what must hold of what was recorded."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rospy
import yaml
from action_client import ActionClient
from lds_scenes.msg import RecordScenesAction, RecordScenesFeedback, RecordScenesGoal, RecordScenesResult
from lds_scenes.srv import SetFault
from processes import PATIENCE, ROOT

from capture.calibration.calibration_file import save_calibration
from capture.simulation.true_calibration import true_calibration
from datasets.check import check_dataset
from datasets.loading import open_dataset

VIEWS = 5


class Rig:
    """The simulated rig with a quick arm, and a capture node that can be killed and started again."""

    def __init__(self, folder: Path, master: str) -> None:
        self.folder, self.master = folder, master
        self.calibration = folder / "calibration.yaml"
        save_calibration(self.calibration, true_calibration())
        profile = yaml.safe_load((ROOT / "config/robots/simulated.yaml").read_text())
        profile |= {"urdf": str(ROOT / "config/robots/simulated.urdf"), "speed": {"velocity": 2.5, "acceleration": 9.0}}
        self.robot = folder / "quick.yaml"
        self.robot.write_text(yaml.safe_dump(profile))
        self._simulation = self._launch("simulation", simulated="true", node="false")
        self._capture: subprocess.Popen | None = None
        self.start_capture()

    def start_capture(self) -> None:
        self._capture = self._launch("capture", robot=str(self.robot), calibration=str(self.calibration))
        self.client = ActionClient("/capture/record", RecordScenesAction)

    def kill_capture(self) -> None:
        """kill -9 for the node, as a crash or the power would."""
        for pid in nodes("capture_node.py"):
            subprocess.run(["kill", "-9", str(pid)], check=False)
        self._capture.wait(PATIENCE)  # roslaunch ends with its required node

    def close(self) -> None:
        for launch in (self._capture, self._simulation):
            launch.send_signal(signal.SIGINT)
        for launch in (self._capture, self._simulation):
            launch.wait(PATIENCE)

    def fault(self, name: str, strength: float = 0, duration: float = 0) -> None:
        answer = rospy.ServiceProxy("/simulation/set_fault", SetFault)(name, True, strength, duration)
        assert answer.success, answer.message

    def mend(self) -> None:
        rospy.ServiceProxy("/simulation/set_fault", SetFault)("", False, 0, 0)

    def record(
        self, dataset: Path, during: Callable[[RecordScenesFeedback], object] | None = None, **goal: object
    ) -> tuple[int, RecordScenesResult]:
        """Record to the end; the goal's state and result."""
        asked = {"scenes": 1, "views": VIEWS, "viewpoints": "hemisphere", "auto": True, "seed": 3, **goal}
        self.client.send(RecordScenesGoal(dataset=str(dataset), **asked), during)
        result = self.client.result(timeout=120)
        return self.client.state, result

    def _launch(self, name: str, **arguments: str) -> subprocess.Popen:
        command = ["roslaunch", "lds_scenes", "capture.launch", *(f"{k}:={v}" for k, v in arguments.items())]
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)


def nodes(script: str) -> list[int]:
    """Processes that run a node's script under this test's master."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_text(errors="replace")
            ours = f"ROS_MASTER_URI={os.environ['ROS_MASTER_URI']}".encode() in (process / "environ").read_bytes()
        except OSError:
            continue
        if ours and script in command and "roslaunch" not in command:
            found.append(int(process.name))
    return found


def assert_sound(dataset: Path, scenes: int = 1, views: int = VIEWS) -> None:
    """All scenes are there with all views, and images, poses and masks agree."""
    opened = open_dataset(dataset)
    assert [scene.num_views for scene in opened] == [views] * scenes
    findings = check_dataset(opened)
    assert findings.problems == []
    assert findings.identity_agrees == findings.identity_views == scenes * views
    assert np.median(findings.centre_errors) < 1.5
