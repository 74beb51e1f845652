#!/usr/bin/env python3
"""A simulated arm with a camera on its wrist over a table of cubes, behind the topics, action and frames of a real one.

Action: arm_controller/follow_joint_trajectory (FollowJointTrajectory); a trajectory starts when its goal comes.
Publishes: joint_states (four times as often as pictures); camera/image_raw (rgb8), camera/camera_info,
    camera/depth/image_raw (32FC1) and camera/masks (32SC1: which cube each pixel shows), all with the stamp of the
    exposure, which joint_states has as well; ~objects (SceneObjects, latched, frame world); tf world -> base_link.
    Images are rendered only while someone listens to them.
Services: ~rearrange (RearrangeCubes), ~show_board (SetBool: the calibration board in place of the cubes), ~set_fault
    (SetFault; the parameter ~faults lists them).
Parameters: ~seed (of the first arrangement), ~rate (pictures a second), ~width and ~height (pixels), ~noise (standard
    deviation of a pixel, as a share of white), ~light (1: usual).
"""

from __future__ import annotations

import os
import sys
import threading

import numpy as np
import rospy
import tf2_ros
from lds_scenes.msg import SceneObjects
from lds_scenes.srv import RearrangeCubes, RearrangeCubesResponse, SetFault, SetFaultResponse
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import Header
from std_srvs.srv import SetBool, SetBoolResponse

from capture.errors import CaptureError
from capture.simulation.controller import TrajectoryController
from capture.simulation.faults import FAULTS
from capture.simulation.rig import Exposure, Eye, SimulatedRig
from capture.simulation.truth import T_WORLD_BASE, lens
from lds_ros.messages import camera_info_message, depth_message, image_message, label_message, transform_message
from lds_ros.newest import Newest
from lds_ros.nodes import run_node
from lds_ros.objects import scene_objects_message

WORLD, BASE, CAMERA = "world", "base_link", "camera_optical_frame"
TICKS_PER_PICTURE = 4


class SimulationNode:
    """Raises ValueError where its parameters do not do."""

    def __init__(self) -> None:
        self._rate = float(rospy.get_param("~rate", 15))
        self._size = int(rospy.get_param("~width", 640)), int(rospy.get_param("~height", 480))
        self._noise, light = float(rospy.get_param("~noise", 0.008)), float(rospy.get_param("~light", 1))
        if min(self._rate, *self._size) <= 0 or min(self._noise, light) < 0:
            raise ValueError("~rate, ~width and ~height must be more than 0, ~noise and ~light at least 0")
        self._rig = SimulatedRig(int(rospy.get_param("~seed", 0)), light)
        self._exposures: Newest[Exposure] = Newest()
        self._image = rospy.Publisher("camera/image_raw", Image, queue_size=2)
        self._info = rospy.Publisher("camera/camera_info", CameraInfo, queue_size=2)
        self._depth = rospy.Publisher("camera/depth/image_raw", Image, queue_size=2)
        self._masks = rospy.Publisher("camera/masks", Image, queue_size=2)
        self._joints = rospy.Publisher("joint_states", JointState, queue_size=10)
        self._objects = rospy.Publisher("~objects", SceneObjects, queue_size=1, latch=True)
        self._tf = tf2_ros.StaticTransformBroadcaster()
        self._tf.sendTransform(transform_message(T_WORLD_BASE, WORLD, Header(stamp=rospy.Time.now(), frame_id=BASE)))
        self._controller = TrajectoryController(self._rig)
        self._publish_objects()
        rospy.set_param("~faults", {name: str(fault) for name, fault in FAULTS.items()})
        rospy.Service("~rearrange", RearrangeCubes, self._rearrange)
        rospy.Service("~show_board", SetBool, self._show_board)
        rospy.Service("~set_fault", SetFault, self._set_fault)

    def run(self) -> None:
        """Render pictures until the node is shut down. Raises RuntimeError where nothing can be rendered here."""
        eye = Eye(*self._size, self._noise)
        threading.Thread(target=self._let_time_pass, daemon=True).start()
        self._controller.start()
        while not rospy.is_shutdown():
            exposure = self._exposures.take(timeout=0.2)
            if exposure is not None:
                self._publish_picture(eye, exposure)
        eye.close()

    def _let_time_pass(self) -> None:
        rate = rospy.Rate(TICKS_PER_PICTURE * self._rate, reset=True)  # it goes on where ROS time is set back
        tick = 0
        while not rospy.is_shutdown():
            try:
                self._tick(takes_picture=tick % TICKS_PER_PICTURE == 0)
                rate.sleep()
            except (rospy.ROSInterruptException, rospy.ROSException):
                if not rospy.is_shutdown():  # or topics were closed while it published, or slept
                    raise
            tick += 1

    def _tick(self, takes_picture: bool) -> None:
        with self._controller.lock:
            now = rospy.Time.now()
            self._rig.step(now.to_sec())
            joints = self._rig.joints()
            exposure = self._rig.expose() if takes_picture else None
            self._controller.update(now)
        if joints is not None:
            positions, velocities = joints.positions.tolist(), joints.velocities.tolist()
            self._joints.publish(JointState(Header(stamp=now), list(joints.names), positions, velocities, []))
        if exposure is not None:
            self._exposures.put(exposure)

    def _publish_picture(self, eye: Eye, exposure: Exposure) -> None:
        header = Header(stamp=rospy.Time.from_sec(exposure.stamp), frame_id=CAMERA)
        width, height = self._size
        self._info.publish(camera_info_message(lens(width, height).K, height, width, header))
        image, depth, masks = (p.get_num_connections() > 0 for p in (self._image, self._depth, self._masks))
        if not (image or depth or masks):
            return
        frame = eye.frame(exposure, depth, masks)
        self._image.publish(image_message(frame.image, header))
        if frame.depth is not None:
            self._depth.publish(depth_message(frame.depth, header))
        if frame.truth is not None:
            self._masks.publish(label_message(frame.truth.astype(np.int32), header))

    def _rearrange(self, request: RearrangeCubes) -> RearrangeCubesResponse:
        with self._controller.lock:
            self._rig.rearrange(request.seed)
            return RearrangeCubesResponse(True, "", self._publish_objects())

    def _show_board(self, request: SetBool) -> SetBoolResponse:
        with self._controller.lock:
            self._rig.board_shown = request.data
            self._publish_objects()
        return SetBoolResponse(True, "")

    def _set_fault(self, request: SetFault) -> SetFaultResponse:
        with self._controller.lock:
            faults = self._rig.faults
            try:
                if not request.name and not request.active:
                    faults.clear()
                elif request.active:
                    faults.switch_on(request.name, rospy.get_time(), request.strength, request.duration)
                else:
                    faults.switch_off(request.name)
            except CaptureError as error:
                return SetFaultResponse(False, str(error))
        return SetFaultResponse(True, "")

    def _publish_objects(self) -> SceneObjects:
        cubes = () if self._rig.board_shown else self._rig.cubes
        header = Header(stamp=rospy.Time.now(), frame_id=WORLD)
        message = scene_objects_message([cube.description() for cube in cubes], header)
        self._objects.publish(message)
        return message


def main() -> int:
    os.environ.setdefault("LP_NUM_THREADS", "1")  # Mesa's; more threads hardly help, and keep others from their core
    return run_node("simulation", lambda: SimulationNode().run(), RuntimeError, ValueError)


if __name__ == "__main__":
    sys.exit(main())
