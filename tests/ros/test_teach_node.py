"""The teach node as a process, with an operator at its input."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from processes import PATIENCE, heard, wait_for

from capture.motion.robot_profile import load_robot_profile
from capture.motion.viewpoints import load_viewpoints


class GuidedArm:
    """Publishes the joint states of the simulated arm as someone would guide it."""

    def __init__(self) -> None:
        import rospy
        from sensor_msgs.msg import JointState

        home = load_robot_profile("simulated").home
        self.names, self.q, self.v = list(home), np.array(list(home.values())), np.zeros(len(home))
        self._publisher = rospy.Publisher("/joint_states", JointState, queue_size=10)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._publish)
        self._thread.start()

    def _publish(self) -> None:
        import rospy
        from sensor_msgs.msg import JointState

        while not self._ended.wait(0.02):
            message = JointState(name=self.names, position=self.q.tolist(), velocity=self.v.tolist())
            message.header.stamp = rospy.Time.now()
            self._publisher.publish(message)

    def end(self) -> None:
        self._ended.set()
        self._thread.join()
        self._publisher.unregister()


@pytest.fixture
def guided_arm(ros: None) -> Iterator[GuidedArm]:
    arm = GuidedArm()
    yield arm
    arm.end()


class Operator:
    def __init__(self, file: Path) -> None:
        self._node = subprocess.Popen(
            ["rosrun", "lds_scenes", "teach_node.py", "_robot:=simulated", f"_file:={file}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def types(self, line: str, until: str) -> str:
        """What the node prints up to the words `until`."""
        self._node.stdin.write(line)
        self._node.stdin.flush()
        return heard(self._node, until)

    def saves(self, number: int, at_rest: bool) -> str:
        """What the node prints of waypoint `number`; taken back and saved anew until it knows how the arm moves now."""

        def attempt() -> str:
            printed = self.types("\n", until=f"[{number} saved] > ")
            if ("the arm was not still" in printed) == at_rest:
                self.types("u\n", until=f"[{number - 1} saved] > ")
                return ""
            return printed

        return wait_for(f"an arm that is known {'to rest' if at_rest else 'to move'}", attempt)

    def end(self) -> int:
        self._node.stdin.close()
        return self._node.wait(PATIENCE)


def test_operator_teaches_waypoints(guided_arm: GuidedArm, tmp_path: Path) -> None:
    file = tmp_path / "views.yaml"
    operator = Operator(file)
    operator.types("", until="[0 saved] > ")
    assert "but" not in operator.saves(1, at_rest=True)
    guided_arm.v[1] = 0.5
    said = operator.saves(2, at_rest=False)
    assert "the arm was not still (shoulder_lift_joint moves at 0.500 rad/s)" in said
    assert "it is almost the same as waypoint 1" in said
    assert "waypoint 2 is gone" in operator.types("u\n", until="[1 saved] > ")
    assert "Enter saves" in operator.types("what\n", until="[1 saved] > ")
    assert operator.end() == 0
    assert load_viewpoints(file).waypoints == pytest.approx(guided_arm.q[None], abs=1e-6)
