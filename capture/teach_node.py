#!/usr/bin/env python3
"""Teaches viewpoints: the operator guides the arm by hand, and Enter saves where it is.

Started by `lds capture teach`, in the operator's terminal: Enter saves the joint positions, u takes the last ones back,
q ends. The file is one of viewpoints, to be named in `lds capture record --viewpoints FILE`.

Subscribes: the joint states of the robot's profile.
Parameters: ~robot (a name from config/robots, or a YAML file), ~file (the YAML file to write, or to go on with).
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import rospy

from capture.arms.joint_history import JointHistory
from capture.arms.robot_urdf import robot_planner
from capture.errors import CaptureError, MotionError
from capture.motion.robot_profile import load_robot_profile
from capture.motion.teaching import Lesson
from lds_ros.nodes import MissingParameter, required_parameter, roscore_answers

CONNECTING = 5.0  # s
HELP = "Enter saves where the arm is, u takes the last one back, q ends."


def teach(lesson: Lesson, history: JointHistory) -> None:
    """Ask until the operator ends. Raises CaptureError where a waypoint cannot be saved."""
    print(f"{lesson.file}: {len(lesson)} waypoints. {HELP}", flush=True)
    while not rospy.is_shutdown():
        try:
            answer = input(f"[{len(lesson)} saved] > ").strip().lower()
        except (EOFError, KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # `lds capture teach` passes Ctrl-C on once more
            answer = "q"
        if answer == "q":
            break
        elif answer == "u":
            print(f"waypoint {len(lesson) + 1} is gone" if lesson.undo() else "there is none to take back")
        elif answer == "":
            _save(lesson, history)
        else:
            print(HELP)
    print(f"{lesson.file}: {len(lesson)} waypoints" if len(lesson) else "nothing was saved")


def _save(lesson: Lesson, history: JointHistory) -> None:
    try:
        since, why_not_still = history.rest()
        joints = history.newest()
    except MotionError as error:
        print(f"not saved: {error}")
        return
    warnings = lesson.add(joints.positions)
    if since is None:
        warnings.insert(0, f"the arm was not still ({why_not_still}); u takes it back")
    print(f"waypoint {len(lesson)} is saved")
    for warning in warnings:
        print(f"  but {warning}")


def main() -> int:
    if not roscore_answers("teach_node"):
        return 1
    rospy.init_node("teach", disable_signals=True)
    try:
        profile = load_robot_profile(required_parameter("~robot"))
        planner = robot_planner(profile)
        lesson = Lesson(Path(required_parameter("~file")), planner)
        history = JointHistory(profile.joint_states, planner.joint_names)
        history.newest(CONNECTING)
        teach(lesson, history)
    except (MissingParameter, CaptureError) as error:
        print(f"teach_node: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
