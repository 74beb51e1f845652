#!/usr/bin/env python3
"""Moves the arm from view to view of a pattern, again and again, so that its camera sees the table from all sides.

Uses: the topics, action and frames that the robot's profile names; tf.
Parameters: ~robot (a name from config/robots, or a YAML file), ~calibration (a YAML file, or `simulated`), ~viewpoints
    (a name from config/viewpoints, or a YAML file), ~views (how many), ~pause (seconds at each).
"""

from __future__ import annotations

import itertools
import sys

import rospy

from capture.arms.arm import Interrupted, pause
from capture.arms.follow_joint_trajectory import FollowJointTrajectoryArm
from capture.arms.robot_urdf import robot_planner
from capture.calibration.named_calibration import find_hand_eye
from capture.errors import CaptureError
from capture.motion.robot_profile import load_robot_profile
from capture.motion.view_planning import plan_views
from capture.motion.viewpoints import load_viewpoints
from capture.recording.approach import drive_to
from lds_ros.nodes import required_parameter, run_node


def wander() -> None:
    """Raises Interrupted at shutdown, CaptureError where the arm cannot, MissingParameter without a parameter."""
    profile = load_robot_profile(required_parameter("~robot"))
    hand_eye = find_hand_eye(str(required_parameter("~calibration")), profile.name, rospy.logwarn)
    planner = robot_planner(profile)
    pattern = load_viewpoints(rospy.get_param("~viewpoints", "hemisphere"))
    views, seconds = int(rospy.get_param("~views", 12)), float(rospy.get_param("~pause", 0.5))
    with FollowJointTrajectoryArm(profile, planner.joint_names) as arm:
        plan = plan_views(pattern, views, planner, hand_eye.T_tool_camera, arm.positions(), seed=0)
        for view in itertools.cycle(plan.views):
            drive_to(view.joints, arm, planner, rospy.is_shutdown)
            pause(seconds, rospy.is_shutdown)


def main() -> int:
    return run_node("wander", wander, CaptureError, Interrupted)


if __name__ == "__main__":
    sys.exit(main())
