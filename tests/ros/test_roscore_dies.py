"""The roscore dies in the middle of a scene, and comes back: the views stay, and the scene is resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from ports import free_port
from processes import PATIENCE, marked, wait_for

pytest.importorskip("lds_scenes.msg", reason="the ROS messages are not built: run the tests with ./run test")

import rosgraph

from datasets.check import check_dataset
from datasets.loading import open_dataset

SCENES, VIEWS = 2, 10


class Rig:
    """A roscore of its own, the simulated rig with a capture node, and whoever records with it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.mark, self._port = folder, uuid.uuid4().hex, str(free_port())
        self._running: list[subprocess.Popen] = []

    def start_roscore(self) -> None:
        self.start("roscore", "roscore", "-p", self._port)
        master = rosgraph.Master("/tests", f"http://127.0.0.1:{self._port}")
        wait_for("the roscore", lambda: _answers(master))

    def kill_roscore(self) -> None:
        for part in ("bin/roscore", "bin/rosmaster", "rosout/rosout"):
            for pid in marked(self.mark, part):
                os.kill(pid, signal.SIGKILL)
        wait_for("the end of the roscore", lambda: not marked(self.mark, "rosmaster"))

    def start(self, log: str, *command: str) -> subprocess.Popen:
        environment = {**os.environ, "LDS_TEST_MARK": self.mark, "ROS_IP": "127.0.0.1"}
        environment["ROS_MASTER_URI"] = f"http://127.0.0.1:{self._port}"
        with (self.folder / log).open("ab") as output:
            self._running.append(subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            ))  # fmt: skip
        return self._running[-1]

    def launch(self) -> subprocess.Popen:
        arguments = ("simulated:=true", "calibration:=simulated")
        return self.start("rig", "roslaunch", "lds_scenes", "capture.launch", *arguments)

    def record(self, **goal: object) -> subprocess.Popen:
        asked = {"dataset": str(self.folder / "dataset"), **goal}
        names = [f"~{name}:=/capture/{name}" for name in ("record", "next_scene")]
        return self.start("client", "rosrun", "lds_scenes", "record_node.py", json.dumps(asked), *names)

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
        for pid in marked(self.mark):
            os.kill(pid, signal.SIGKILL)


def _answers(master: rosgraph.Master) -> bool:
    try:
        return bool(master.getUri())
    except OSError:
        return False


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


@pytest.mark.parametrize(
    ("comes_back", "words"), [(False, "nobody rearranges the objects"), (True, "the roscore was started anew")]
)
def test_views_outlive_the_roscore_and_the_recording_is_resumed(rig: Rig, comes_back: bool, words: str) -> None:
    """Without a roscore the scene at work is completed, and the next one does not begin."""
    rig.start_roscore()
    launch = rig.launch()
    recording = rig.record(scenes=SCENES, views=VIEWS, viewpoints="ring", auto=True)
    partial = rig.folder / "dataset/scene_000000.partial"
    wait_for("the second view", lambda: len(list(partial.glob("view_*.npz"))) >= 2)
    rig.kill_roscore()
    if comes_back:
        rig.start_roscore()
    assert recording.wait(2 * PATIENCE) == 1
    assert words in rig.said("client") and "Traceback" not in rig.said("client")
    launch.send_signal(signal.SIGINT)
    launch.wait(PATIENCE)
    if not comes_back:
        assert [scene.num_views for scene in open_dataset(rig.folder / "dataset")] == [VIEWS]
        rig.start_roscore()
    rig.launch()
    assert rig.record(resume=True).wait(2 * PATIENCE) == 0, rig.said("client")
    dataset = open_dataset(rig.folder / "dataset")
    assert [scene.num_views for scene in dataset] == [VIEWS] * SCENES
    assert check_dataset(dataset).problems == []
