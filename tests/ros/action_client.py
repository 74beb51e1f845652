"""A client for the tests' goals, one at a time.

actionlib's SimpleActionClient misses the end of a goal that ends before its `send_goal` returns, as a refused one does
on a busy machine, and then waits forever.
"""

from __future__ import annotations

from collections.abc import Callable

import actionlib
import genpy
import rospy
from processes import wait_for


class ActionClient:
    def __init__(self, name: str, action: type[genpy.Message]) -> None:
        self._client = actionlib.ActionClient(name, action)
        self._goal: actionlib.ClientGoalHandle
        wait_for(f"the action {name}", lambda: self._client.wait_for_server(rospy.Duration(0.5)))

    def send(self, goal: genpy.Message, feedback: Callable[[genpy.Message], object] | None = None) -> None:
        self._goal = self._client.send_goal(goal, feedback_cb=feedback and (lambda _, message: feedback(message)))

    def cancel(self) -> None:
        self._goal.cancel()

    def result(self, timeout: float) -> genpy.Message:
        """The goal's result; fails the test where none comes in time."""
        wait_for("the goal's end", lambda: self._goal.get_comm_state() == actionlib.CommState.DONE, timeout)
        return self._goal.get_result()

    @property
    def state(self) -> int:
        """By actionlib_msgs/GoalStatus."""
        return self._goal.get_goal_status()
