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

from capture.arms.arm import Interrupted
from capture.arms.follow_joint_trajectory import FollowJointTrajectoryArm
from capture.arms.robot_urdf import find_mesh, robot_urdf
from capture.calibration.finding import find_hand_eye
from capture.errors import CaptureError
from capture.motion.planning import Planner
from capture.motion.robot_profile import load_robot_profile
from capture.motion.view_planning import plan_views
from capture.motion.viewpoints import load_viewpoints
from lds_ros.nodes import roscore_answers


def wander() -> None:
    """Until the node is shut down. Raises CaptureError where the arm cannot."""
    profile = load_robot_profile(rospy.get_param("~robot"))
    hand_eye = find_hand_eye(str(rospy.get_param("~calibration")))
    planner = Planner(profile, robot_urdf(profile), find_mesh)
    pattern = load_viewpoints(rospy.get_param("~viewpoints", "hemisphere"))
    with FollowJointTrajectoryArm(profile, planner.joint_names) as arm:
        start, views = arm.joints().positions, int(rospy.get_param("~views", 12))
        plan = plan_views(pattern, views, planner, hand_eye.T_tool_camera, start, seed=0)
        for view in itertools.cycle(plan.views):
            if rospy.is_shutdown():
                return
            arm.follow(planner.plan(arm.joints().positions, view.joints), rospy.is_shutdown)
            rospy.sleep(float(rospy.get_param("~pause", 0.5)))


def main() -> int:
    if not roscore_answers("wander_node"):
        return 1
    rospy.init_node("wander")
    try:
        wander()
    except Interrupted:
        pass
    except CaptureError as error:
        if rospy.is_shutdown():
            return 0  # and everything else with it
        rospy.logfatal("wander_node: %s", error)
        return error.exit_code
    except rospy.ROSInterruptException:
        pass  # shut down while it slept
    return 0


if __name__ == "__main__":
    sys.exit(main())
