"""ROS time that is set back, or jumps ahead, while a scene is recorded: no view is lost, and the journal tells why."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("lds_scenes.msg", reason="the ROS messages are not built: run the tests with ./run test")

import rospy
from actionlib_msgs.msg import GoalStatus
from lds_scenes.msg import RecordScenesFeedback
from recording_rig import Rig, assert_sound
from rosgraph_msgs.msg import Clock as ClockMessage

PERIOD = 0.01  # seconds


class Clock:
    """Tells nodes with use_sim_time the time of day, off by as much as it was made to jump."""

    def __init__(self) -> None:
        self._publisher = rospy.Publisher("/clock", ClockMessage, queue_size=1)
        self._off, self._ends = 0.0, threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def jump(self, seconds: float) -> None:
        self._off += seconds

    def end(self) -> None:
        self._ends.set()

    def _run(self) -> None:
        while not self._ends.wait(PERIOD):
            self._publisher.publish(ClockMessage(rospy.Time.from_sec(time.time() + self._off)))


@pytest.fixture(scope="module")
def clock(ros: None) -> Iterator[Clock]:
    """ROS time of the nodes that are started from now on; this process goes on with the time of day."""
    clock = Clock()
    rospy.set_param("/use_sim_time", True)
    yield clock
    rospy.delete_param("/use_sim_time")
    clock.end()


@pytest.fixture(scope="module")
def rig(clock: Clock, ros_master: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    rig = Rig(tmp_path_factory.mktemp("rig"), ros_master)
    yield rig
    rig.close()


@pytest.mark.parametrize("seconds", [-100.0, -1.0, 1.0, 100.0])
def test_a_clock_that_jumps_costs_no_view(rig: Rig, clock: Clock, tmp_path: Path, seconds: float) -> None:
    jumped = []

    def leap(feedback: RecordScenesFeedback) -> None:
        if feedback.stored == 2 and not jumped:
            clock.jump(seconds)
            jumped.append(_stamps(tmp_path))

    state, result = rig.record(tmp_path, leap)
    assert state == GoalStatus.SUCCEEDED and result.skipped == 0, result.message
    assert_sound(tmp_path)


def _stamps(dataset: Path) -> list[float]:
    lines = (dataset / "scene_000000.partial/journal.jsonl").read_text().splitlines()
    return [event["stamp"] for event in map(json.loads, lines) if event["event"] == "stored"]
