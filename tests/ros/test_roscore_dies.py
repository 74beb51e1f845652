"""The roscore dies in the middle of a scene, and comes back: the views stay, and the scene is resumed."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("lds_scenes.msg", reason="the ROS messages are not built: run the tests with ./run test")

from network import Network
from processes import PATIENCE, wait_for

from datasets.check import check_dataset
from datasets.loading import open_dataset

SCENES, VIEWS = 2, 10


class Rig(Network):
    """The simulated rig with a capture node, and whoever records with it."""

    def launch(self) -> subprocess.Popen:
        arguments = ("simulated:=true", "calibration:=simulated")
        return self.start("rig", "roslaunch", "lds_scenes", "capture.launch", *arguments)

    def record(self, **goal: object) -> subprocess.Popen:
        asked = {"dataset": str(self.folder / "dataset"), **goal}
        names = [f"~{name}:=/capture/{name}" for name in ("record", "next_scene")]
        return self.start("client", "rosrun", "lds_scenes", "record_node.py", json.dumps(asked), *names)


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
