#!/usr/bin/env python3
"""Asks the capture node to record, shows how far it has come, and lets the operator say when the next scene stands.

The terminal's end of ~record (RecordScenes) and ~next_scene, remapped to the capture node's; started by
`lds capture record`.

Argument: the goal as JSON. Ctrl-C stops the arm and the recording; what was stored is kept.
Exit codes: 0 all was recorded, 1 it was not.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time

import actionlib
import rospkg
import rospy
from actionlib_msgs.msg import GoalStatus, GoalStatusArray
from lds_scenes.msg import RecordScenesAction, RecordScenesFeedback, RecordScenesGoal
from std_srvs.srv import Trigger

from capture.recording.progress_display import ProgressDisplay

PATIENCE = 30.0  # seconds for the capture node to come up, and for it to stop
POLL = 0.1  # seconds
SILENCE = 10.0  # seconds without the capture node's status, which comes five times a second, before it counts as gone


class RecordNode:
    def __init__(self, goal: RecordScenesGoal) -> None:
        self._display = ProgressDisplay()
        self._asked_to_stop = threading.Event()
        self._goal = goal
        # Not SimpleActionClient: it misses an end that comes before its send_goal returns, and then waits forever.
        self._client = actionlib.ActionClient("~record", RecordScenesAction)
        self._server_seen = time.monotonic()
        status = rospy.resolve_name("~record") + "/status"  # since only whole names are remapped
        rospy.Subscriber(status, GoalStatusArray, self._see_server, queue_size=1)
        self._next_scene = rospy.ServiceProxy("~next_scene", Trigger)
        self._waiting = False

    def run(self) -> int:
        """Record; the exit code."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self._asked_to_stop.set())
        if not self._find_server():
            return 1
        threading.Thread(target=self._listen_to_operator, daemon=True).start()
        with self._display:
            recording = self._client.send_goal(self._goal, feedback_cb=lambda _, feedback: self._show(feedback))
            while not _has_ended(recording):
                if self._asked_to_stop.is_set() or rospy.is_shutdown():
                    recording.cancel()
                    self._display.stopping()
                    deadline = time.monotonic() + PATIENCE
                    while not _has_ended(recording) and time.monotonic() < deadline:
                        time.sleep(POLL)
                    break
                if time.monotonic() - self._server_seen > SILENCE:
                    self._display.fail(
                        "the capture node is gone; what was stored is kept: go on with `lds capture resume`"
                    )
                    return 1
                time.sleep(POLL)
        return self._report(recording)

    def _find_server(self) -> bool:
        deadline = time.monotonic() + PATIENCE
        while not self._client.wait_for_server(rospy.Duration(0.5)):
            if self._asked_to_stop.is_set():
                self._display.fail("stopped as asked, before anything was recorded")
                return False
            if time.monotonic() > deadline:
                name = rospy.resolve_name("~record")
                self._display.fail(f"no capture node answers at {name}: start it: roslaunch lds_scenes capture.launch")
                return False
        self._server_seen = time.monotonic()
        return True

    def _see_server(self, _: GoalStatusArray) -> None:
        self._server_seen = time.monotonic()

    def _show(self, feedback: RecordScenesFeedback) -> None:
        self._waiting = feedback.state == "waiting_for_operator"
        self._display.show(feedback)

    def _listen_to_operator(self) -> None:
        for _ in sys.stdin:  # Enter
            if self._waiting:
                self._waiting = False
                try:
                    self._next_scene()
                except (rospy.ServiceException, rospy.ROSException) as error:
                    self._waiting = True
                    self._display.fail(f"the capture node did not hear it ({error}): press Enter once more")

    def _report(self, recording: actionlib.ClientGoalHandle) -> int:
        result = recording.get_result()
        if result is None:
            self._display.fail(f"the capture node did not say how it ended; its log is in {rospkg.get_log_dir()}")
            return 1
        if recording.get_goal_status() == GoalStatus.SUCCEEDED:
            self._display.succeed(result)
            return 0
        # Where the node met a bug of ours, the result is empty, and the status says which.
        self._display.fail(result.message or recording.get_goal_status_text())
        return 1


def _has_ended(recording: actionlib.ClientGoalHandle) -> bool:
    """Whether the recording's result has come, or its server has lost it."""
    return recording.get_comm_state() == actionlib.CommState.DONE


def main() -> int:
    arguments = rospy.myargv()
    rospy.init_node("record", anonymous=True, disable_signals=True)
    return RecordNode(RecordScenesGoal(**json.loads(arguments[1]))).run()


if __name__ == "__main__":
    sys.exit(main())
