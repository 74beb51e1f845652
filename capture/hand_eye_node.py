#!/usr/bin/env python3
"""Publishes in tf where a calibrated camera is on its arm, so that its pose is known at the stamp of every picture.

Publishes: tf, static: the robot's tool frame to the camera's optical frame; the world to the robot's base frame
    (T_world_base of its profile), unless another node tells tf which frame is above the base, or the world is the base.
Parameters: ~robot (a name from config/robots, or a YAML file), ~calibration (a YAML file of `lds capture calibrate`, or
    `simulated`: the simulated rig's true one), ~frame (the camera's optical frame, as its pictures' headers name it),
    ~world (the world's frame; empty: none).
"""

from __future__ import annotations

import math
import sys

import numpy as np
import rospy
import tf2_ros
from std_msgs.msg import Header

from capture.calibration.named_calibration import find_hand_eye
from capture.errors import CaptureError
from capture.motion.robot_profile import RobotProfile, load_robot_profile
from lds_ros.messages import transform_message
from lds_ros.nodes import required_parameter, run_node
from lds_ros.parents import parent_told_by_others

PATIENCE = 3.0  # seconds that others have to tell what is above the base, before this node does


class HandEyeNode:
    """Raises CaptureError where robot or calibration do not do, MissingParameter without ~robot or ~calibration."""

    def __init__(self) -> None:
        self._profile: RobotProfile = load_robot_profile(required_parameter("~robot"))
        calibration = str(required_parameter("~calibration"))
        self._T_tool_camera: np.ndarray = find_hand_eye(calibration, self._profile.name, rospy.logwarn).T_tool_camera
        self._camera = str(rospy.get_param("~frame", "camera_optical_frame"))
        self._world = str(rospy.get_param("~world", "world")).strip("/")
        self._broadcaster = tf2_ros.StaticTransformBroadcaster()
        rospy.loginfo("%s is on the frame %s, by %s", self._camera, self._profile.tool_frame, calibration)

    def run(self) -> None:
        """Tell where the camera is until the node is shut down."""
        self._send(with_base=False)
        if self._world not in ("", self._profile.base_frame.strip("/")):
            self._place_base()
        rospy.spin()

    def _place_base(self) -> None:
        """Tell where the base is, as long as nobody else does."""
        base = self._profile.base_frame
        parent = parent_told_by_others(base, ["/tf", "/tf_static"], PATIENCE)
        if parent is None:
            self._send(with_base=True)
            parent = parent_told_by_others(base, ["/tf_static"], math.inf)
            self._send(with_base=False)
        if parent is not None:
            rospy.loginfo(
                f"tf has {parent} above {base} already: T_world_base of the robot {self._profile.name} is left out of "
                f"tf; poses are known in world:={parent}"
            )

    def _send(self, with_base: bool) -> None:
        """What is latched is the last message alone: it holds all."""
        now = rospy.Time.now()
        camera = Header(stamp=now, frame_id=self._camera)
        transforms = [transform_message(self._T_tool_camera, self._profile.tool_frame, camera)]
        if with_base:
            base = Header(stamp=now, frame_id=self._profile.base_frame)
            transforms.append(transform_message(self._profile.T_world_base, self._world, base))
        self._broadcaster.sendTransform(transforms)


def main() -> int:
    return run_node("hand_eye", lambda: HandEyeNode().run(), CaptureError, ends_with_roscore=True)


if __name__ == "__main__":
    sys.exit(main())
