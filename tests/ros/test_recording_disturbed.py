"""A second recorder, disks that refuse, and other clients while a scene is recorded: nothing is lost or mixed."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from processes import PATIENCE, wait_for

pytest.importorskip("lds_scenes.msg", reason="the ROS messages are not built: run the tests with ./run test")

import rospy
from action_client import ActionClient
from actionlib_msgs.msg import GoalStatus
from lds_scenes.msg import RecordScenesAction, RecordScenesFeedback, RecordScenesGoal
from lds_scenes.srv import RearrangeCubes, RearrangeCubesResponse
from recording_rig import VIEWS, Rig, assert_sound

Mount = Callable[..., None]


@pytest.fixture
def mount() -> Iterator[Mount]:
    """`mount ARGUMENTS... FOLDER`, until the test ends."""
    mounted: list[Path] = []

    def mount(*arguments: object) -> None:
        done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"mounting needs root: {done.stderr.strip()}")
        mounted.append(Path(str(arguments[-1])))

    yield mount
    for folder in reversed(mounted):
        subprocess.run(["umount", folder], capture_output=True)  # a test may have done it


def goal(dataset: Path, **more: object) -> dict[str, object]:
    return {"dataset": str(dataset), "scenes": 1, "views": VIEWS, "viewpoints": "hemisphere", "auto": True, **more}


def wait_for_views(dataset: Path, count: int) -> None:
    wait_for(f"{count} views", lambda: len(list(dataset.glob("scene_000000.partial/view_*.npz"))) >= count)


def test_a_second_recorder_is_kept_out_of_the_folder_and_the_first_goes_on(
    rig: Rig, start_node, tmp_path: Path
) -> None:
    node = start_node(
        "capture_node.py", "second", robot=rig.robot, camera="simulated", calibration=rig.calibration,
        **{"~rearrange": "/simulation/rearrange"},
    )  # fmt: skip
    second = ActionClient("/second/record", RecordScenesAction)
    rig.client.send(RecordScenesGoal(**goal(tmp_path)))
    wait_for_views(tmp_path, 2)
    for resume in (False, True):
        second.send(RecordScenesGoal(**goal(tmp_path, resume=resume)))
        refused = second.result(timeout=PATIENCE)
        assert second.state == GoalStatus.ABORTED
        assert re.search(rf"{tmp_path}: another recorder is at work there \(process \d+", refused.message)
    assert rig.client.result(timeout=120).complete
    assert_sound(tmp_path)
    second.send(RecordScenesGoal(**goal(tmp_path, seed=4)))
    assert second.result(timeout=120).complete
    node.kill()
    assert_sound(tmp_path, scenes=2)


def test_a_node_that_records_within_a_folder_refuses_all_others(rig: Rig, start_node, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/link").symlink_to(tmp_path)
    start_node(
        "capture_node.py", "confined", robot=rig.robot, camera="simulated", calibration=rig.calibration,
        within=tmp_path / "in", **{"~rearrange": "/simulation/rearrange"},
    )  # fmt: skip
    confined = ActionClient("/confined/record", RecordScenesAction)
    for elsewhere in (tmp_path / "out", tmp_path / "in/../out", tmp_path / "in/link/out", tmp_path / "inner"):
        confined.send(RecordScenesGoal(**goal(elsewhere)))
        assert f"{elsewhere}: is not in {tmp_path}/in" in confined.result(timeout=PATIENCE).message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]
    confined.send(RecordScenesGoal(**goal(tmp_path / "in/dataset", views=2)))
    assert confined.result(timeout=120).complete


def test_another_client_does_not_stop_a_recording(rig: Rig, tmp_path: Path) -> None:
    rig.client.send(RecordScenesGoal(**goal(tmp_path / "first", views=100)))
    wait_for_views(tmp_path / "first", 1)
    names = [f"~{name}:=/capture/{name}" for name in ("record", "next_scene")]
    other = subprocess.run(
        ["rosrun", "lds_scenes", "record_node.py", json.dumps(goal(tmp_path / "second")), *names],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert other.returncode == 1 and "is recording already" in other.stdout + other.stderr, other.stdout + other.stderr
    assert rig.client.state == GoalStatus.ACTIVE and not (tmp_path / "second").exists()
    rig.client.cancel()
    assert "stopped as asked" in rig.client.result(timeout=PATIENCE).message


def test_a_service_that_rearranges_for_ever_is_not_waited_for_by_who_stops(
    rig: Rig, start_node, tmp_path: Path
) -> None:
    called, ends = threading.Event(), threading.Event()

    def rearrange(_: object) -> RearrangeCubesResponse:
        called.set()
        ends.wait()
        return RearrangeCubesResponse()

    service = rospy.Service("/endless/rearrange", RearrangeCubes, rearrange)
    node = start_node(
        "capture_node.py",
        "endless",
        robot=rig.robot,
        camera="simulated",
        calibration=rig.calibration,
    )
    client = ActionClient("/endless/record", RecordScenesAction)
    client.send(RecordScenesGoal(**goal(tmp_path)))
    try:
        wait_for("the call", called.is_set)
        client.cancel()
        assert "stopped as asked" in client.result(timeout=PATIENCE).message
        node.send_signal(signal.SIGINT)
        node.wait(PATIENCE)
    finally:
        ends.set()
        service.shutdown()


def test_a_disk_that_cannot_be_written_is_told_before_anything_moves(rig: Rig, mount: Mount, tmp_path: Path) -> None:
    mount("-t", "tmpfs", "-o", "size=60m,ro", "tmpfs", tmp_path)
    state, result = rig.record(tmp_path / "dataset")
    assert state == GoalStatus.ABORTED and result.message.startswith(f"{tmp_path}/dataset: cannot be read or written")
    assert "Read-only file system" in result.message and "\n" not in result.message


def test_a_disk_that_is_full_is_told_before_anything_moves(rig: Rig, mount: Mount, tmp_path: Path) -> None:
    mount("-t", "tmpfs", "-o", "size=6m", "tmpfs", tmp_path)
    told: list[RecordScenesFeedback] = []
    state, result = rig.record(tmp_path / "dataset", told.append)
    assert state == GoalStatus.ABORTED and "no room for another scene" in result.message
    assert "moving" not in {feedback.state for feedback in told}
    assert not list((tmp_path / "dataset").glob("scene_*"))


def test_a_disk_that_turns_read_only_stops_recording_and_loses_nothing(rig: Rig, mount: Mount, tmp_path: Path) -> None:
    """As ext4 does on an error of the disk. The recorder holds its lock, so the disk itself cannot be remounted."""
    partial = tmp_path / "scene_000000.partial"
    rig.client.send(RecordScenesGoal(**goal(tmp_path)))
    wait_for_views(tmp_path, 2)
    mount("--bind", "-o", "ro", partial, partial)
    result = rig.client.result(timeout=PATIENCE)
    subprocess.run(["umount", partial], check=True)
    assert rig.client.state == GoalStatus.ABORTED
    assert "cannot be read or written (Read-only file system)" in result.message and "\n" not in result.message
    kept = len(list(partial.glob("view_*.npz")))
    assert kept >= 2
    state, result = rig.record(tmp_path, resume=True)
    assert state == GoalStatus.SUCCEEDED and result.views == VIEWS - kept, result.message
    assert_sound(tmp_path)
