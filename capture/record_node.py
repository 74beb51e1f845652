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
from contextlib import suppress

import actionlib
import rospkg
import rospy
from actionlib_msgs.msg import GoalStatus, GoalStatusArray
from lds_scenes.msg import RecordScenesAction, RecordScenesFeedback, RecordScenesGoal
from std_srvs.srv import Trigger

from capture.recording.progress_display import ProgressDisplay
from lds_ros.nodes import roscore_answers

PATIENCE = 30.0  # seconds for the capture node to come up, and for it to stop
POLL = 0.1  # seconds
AT_WORK = (GoalStatus.PENDING, GoalStatus.ACTIVE, GoalStatus.PREEMPTING)  # a new goal would end these
SILENCE = 10.0  # seconds without the capture node's status, which comes five times a second, before it counts as gone


class RecordNode:
    def __init__(self, goal: RecordScenesGoal) -> None:
        self._display = ProgressDisplay()
        self._asked_to_stop = threading.Event()
        self._goal = goal
        # Not SimpleActionClient: it misses an end that comes before its send_goal returns, and then waits forever.
        self._client = actionlib.ActionClient("~record", RecordScenesAction)
        self._server_seen = time.monotonic()
        self._status: GoalStatusArray | None = None
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
            server_stays = self._wait_for_end(recording)
        return self._report(recording) if server_stays else 1

    def _wait_for_end(self, recording: actionlib.ClientGoalHandle) -> bool:
        """Wait until the recording ends, by itself or because the operator asks for it; False: its server is gone."""
        while not _has_ended(recording):
            if self._asked_to_stop.is_set() or rospy.is_shutdown():
                self._stop(recording)
                return True
            if time.monotonic() - self._server_seen > SILENCE:
                self._display.fail("the capture node is gone; what was stored is kept: go on with `lds capture resume`")
                return False
            time.sleep(POLL)
        return True

    def _stop(self, recording: actionlib.ClientGoalHandle) -> None:
        with suppress(rospy.ROSException):  # where this node was shut down; its client gone, the capture node stops
            recording.cancel()
        self._display.stopping()
        deadline = time.monotonic() + PATIENCE
        while not (_has_ended(recording) or rospy.is_shutdown()) and time.monotonic() < deadline:
            time.sleep(POLL)

    def _find_server(self) -> bool:
        deadline = time.monotonic() + PATIENCE
        while not (self._client.wait_for_server(rospy.Duration(0.5)) and self._status):
            if self._asked_to_stop.is_set():
                self._display.fail("stopped as asked, before anything was recorded")
                return False
            if time.monotonic() > deadline:
                name = rospy.resolve_name("~record")
                self._display.fail(f"no capture node answers at {name}: start it: roslaunch lds_scenes capture.launch")
                return False
            time.sleep(POLL)
        if any(status.status in AT_WORK for status in self._status.status_list):
            told = "is recording already, for another client: wait for its end, or stop it there"
            self._display.fail(f"{rospy.resolve_name('~record')} {told}")
            return False
        self._server_seen = time.monotonic()
        return True

    def _see_server(self, status: GoalStatusArray) -> None:
        self._server_seen, self._status = time.monotonic(), status

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
            self._display.succeed(result.message)
            return 0
        # Where the node met a bug of ours, the result is empty, and the status says which.
        self._display.fail(result.message or recording.get_goal_status_text())
        return 1


def _has_ended(recording: actionlib.ClientGoalHandle) -> bool:
    """Whether the recording's result has come, or its server has lost it."""
    return recording.get_comm_state() == actionlib.CommState.DONE


def main() -> int:
    if not roscore_answers("record_node"):
        return 1
    arguments = rospy.myargv()
    rospy.init_node("record", anonymous=True, disable_signals=True)
    return RecordNode(RecordScenesGoal(**json.loads(arguments[1]))).run()


if __name__ == "__main__":
    sys.exit(main())
