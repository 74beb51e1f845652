#!/usr/bin/env python3
"""Publishes in tf where a calibrated camera is on its arm, so that its pose is known at the stamp of every picture.

Publishes: tf, static: the robot's tool frame to the camera's optical frame.
Parameters: ~robot (a name from config/robots, or a YAML file), ~calibration (a YAML file of `lds capture calibrate`, or
    `simulated`: the simulated rig's true one), ~frame (the camera's optical frame, as its pictures' headers name it).
"""

from __future__ import annotations

import sys

import rospy
import tf2_ros
from std_msgs.msg import Header

from capture.calibration.named_calibration import find_hand_eye
from capture.errors import CaptureError
from capture.motion.robot_profile import load_robot_profile
from lds_ros.messages import transform_message
from lds_ros.nodes import roscore_answers


def main() -> int:
    if not roscore_answers("hand_eye_node"):
        return 1
    rospy.init_node("hand_eye")
    try:
        profile = load_robot_profile(rospy.get_param("~robot"))
        hand_eye = find_hand_eye(str(rospy.get_param("~calibration")))
    except CaptureError as error:
        rospy.logfatal("hand_eye_node cannot start: %s", error)
        return error.exit_code
    except KeyError as error:
        rospy.logfatal("hand_eye_node cannot start: the parameter %s is not set", error)
        return 2
    camera = Header(stamp=rospy.Time.now(), frame_id=rospy.get_param("~frame", "camera_optical_frame"))
    broadcaster = tf2_ros.StaticTransformBroadcaster()
    broadcaster.sendTransform(transform_message(hand_eye.T_tool_camera, profile.tool_frame, camera))
    rospy.spin()
    return 0


if __name__ == "__main__":
    sys.exit(main())
