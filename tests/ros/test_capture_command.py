"""`lds capture` as it is typed: it starts all that it needs, shows how far it has come, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from processes import PATIENCE, ROOT, heard, marked, wait_for

pytest.importorskip("lds_scenes.msg", reason="the ROS messages are not built: run the tests with ./run test")

from datasets.check import check_dataset
from datasets.loading import open_dataset


def start(mark: str, *arguments: object) -> subprocess.Popen:
    environment = {k: v for k, v in os.environ.items() if k != "ROS_MASTER_URI"} | {"LDS_TEST_MARK": mark}
    return subprocess.Popen(
        [sys.executable, "-m", "lds_cli.main", "capture", *map(str, arguments)], cwd=ROOT, env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0,
    )  # fmt: skip


def test_a_recording_is_interrupted_and_resumed_and_nothing_is_left_running(tmp_path: Path) -> None:
    mark, dataset = uuid.uuid4().hex, tmp_path / "cubes"
    recording = start(mark, "record", dataset, "--views", 5, "--simulated", "--auto")
    partial = dataset / "scene_000000.partial"
    wait_for("the second view", lambda: len(list(partial.glob("view_*.npz"))) >= 2)
    for process in Path("/proc").glob("[0-9]*"):  # Ctrl-C reaches all that run in the terminal
        if _in_terminal(process, recording.pid):
            os.kill(int(process.name), signal.SIGINT)
    said, errors = recording.communicate(timeout=PATIENCE)
    assert recording.returncode == 1 and "lds capture resume" in said, said + errors
    assert "Next:" not in said
    wait_for("the end of all processes", lambda: not marked(mark))

    resumed = start(mark, "resume", dataset, "--simulated")
    said, errors = resumed.communicate(timeout=PATIENCE)
    assert resumed.returncode == 0 and "recorded 1 scenes" in said, said + errors
    assert said.rstrip().endswith(f"Next: lds data check {dataset}")
    assert check_dataset(open_dataset(dataset)).problems == []
    assert open_dataset(dataset)[0].num_views == 5
    assert not marked(mark)


def _in_terminal(process: Path, pid: int) -> bool:
    """Whether a process is in the foreground where `lds` with this pid was started; roslaunch is not."""
    try:
        return int((process / "stat").read_text(errors="replace").rpartition(")")[2].split()[2]) == pid
    except OSError:
        return False


def test_the_command_ends_in_words_when_its_node_is_killed(tmp_path: Path) -> None:
    mark, dataset = uuid.uuid4().hex, tmp_path / "cubes"
    recording = start(mark, "record", dataset, "--views", 20, "--simulated", "--auto")
    wait_for("the first view", lambda: list(dataset.glob("scene_000000.partial/view_*.npz")))
    node = next(pid for pid, line in marked(mark, "capture_node.py").items() if "roslaunch" not in line)
    os.kill(node, signal.SIGKILL)
    said, errors = recording.communicate(timeout=PATIENCE)
    assert recording.returncode == 1 and "the capture node is gone" in said and "lds capture resume" in said, said
    assert "capture" in errors and "died" in errors and "Traceback" not in errors
    wait_for("the end of all processes", lambda: not marked(mark))


def test_enter_says_that_the_next_scene_stands(tmp_path: Path) -> None:
    recording = start("none", "record", tmp_path / "cubes", "--scenes", 2, "--views", 2, "--simulated")
    for scene in (1, 2):
        heard(recording, f"Scene {scene}: rearrange")
        recording.stdin.write("\n")
        recording.stdin.flush()
    rest, errors = recording.communicate(timeout=PATIENCE)
    assert recording.returncode == 0, rest + errors
    assert rest.rstrip().endswith(f"Next: lds data check {tmp_path / 'cubes'}")
    assert [scene.num_views for scene in open_dataset(tmp_path / "cubes")] == [2, 2]


def test_what_cannot_be_recorded_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text(
        '{"format": "lds_scenes/1", "name": "x", "kind": "table_cubes", "scenes": [], "splits": {}}'
    )
    refused = start("none", "record", tmp_path, "--simulated", "--auto")
    said, errors = refused.communicate(timeout=PATIENCE)
    assert refused.returncode == 1 and "holds a dataset of kind 'table_cubes'" in said, said + errors
    assert "Traceback" not in said + errors


def test_no_robot_is_driven_that_was_not_named(tmp_path: Path) -> None:
    refused = start("none", "record", tmp_path / "cubes")
    _, errors = refused.communicate(timeout=PATIENCE)
    assert refused.returncode == 2 and "--robot and --camera, or --simulated" in errors
    assert not (tmp_path / "cubes").exists()
