#!/usr/bin/env python3
"""Takes views of the calibration board into a folder, guided by hand or driven by the arm.

The part of `lds capture calibrate` that needs ROS, started by it.

Argument: a capture.calibration.session.Request as JSON.
Uses: the camera's topics, tf, and with `auto` the arm's FollowJointTrajectory action and /robot_description (where its
    profile names no URDF); in simulation the service /simulation/show_board (std_srvs/SetBool).
Exit codes: 0 the views are in the folder, 1 they are not (the reason is the last line of stderr).
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import rospy
from std_srvs.srv import SetBool

from capture.arms.arm import Interrupted
from capture.arms.follow_joint_trajectory import FollowJointTrajectoryArm
from capture.arms.freehand import FreehandArm
from capture.arms.robot_urdf import robot_planner
from capture.calibration.driving import Driver
from capture.calibration.session import Request, start_collecting
from capture.cameras.opening import open_camera
from capture.cameras.settings import load_camera
from capture.errors import CaptureError
from capture.motion.robot_profile import load_robot_profile
from capture.motion.viewpoints import load_viewpoints
from datasets.poses import pose_of_numbers
from lds_ros.nodes import roscore_answers
from lds_ros.service_calls import call_service

SHOW_BOARD = "/simulation/show_board"
RIG_TIMEOUT = 60.0  # seconds that the simulated rig may take to come up


def take_views(request: Request, interrupted: Callable[[], bool]) -> None:
    """Raises CaptureError where it does not go on, Interrupted where somebody asked to stop."""
    with ExitStack() as stack:
        if request.simulated:
            stack.enter_context(_board_shown(interrupted))
        settings = load_camera(request.camera)
        camera = stack.enter_context(open_camera(settings))
        if not request.auto:
            hand = None if request.for_lens else stack.enter_context(FreehandArm(load_robot_profile(request.robot)))
            start_collecting(request, camera, settings.quality, hand, interrupted).by_hand()
            return
        profile = load_robot_profile(request.robot)
        planner = robot_planner(profile)
        arm = stack.enter_context(FollowJointTrajectoryArm(profile, planner.joint_names))
        driver = Driver(start_collecting(request, camera, settings.quality, arm, interrupted), arm, planner)
        if request.waypoints or request.camera_on_tool is None:
            driver.through_waypoints(load_viewpoints(request.waypoints))
        else:
            T_tool_camera = pose_of_numbers(request.camera_on_tool[:3], request.camera_on_tool[3:])
            driver.around_board(T_tool_camera, request.views, request.for_lens)


@contextmanager
def _board_shown(interrupted: Callable[[], bool]) -> Iterator[None]:
    """The simulated rig shows the board meanwhile, in place of the cubes."""
    try:
        shown = call_service(SHOW_BOARD, SetBool, RIG_TIMEOUT, interrupted, True)
    except (rospy.ROSException, rospy.ServiceException) as error:
        raise CaptureError(f"{SHOW_BOARD}: the simulated rig does not answer ({error})") from error
    if shown is None:
        raise Interrupted
    try:
        yield
    finally:
        with suppress(rospy.ServiceException):  # the rig may have ended before us
            rospy.ServiceProxy(SHOW_BOARD, SetBool)(False)


def main() -> int:
    if not roscore_answers("calibrate_node"):
        return 1
    # Without rospy's own handling of signals, which would cut the line to the arm before it is stopped
    rospy.init_node("calibrate", anonymous=True, disable_signals=True)
    asked_to_stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: asked_to_stop.set())
    try:
        take_views(Request.from_json(rospy.myargv()[1]), asked_to_stop.is_set)
    except Interrupted:
        print("\nstopped as asked; the arm stands still", file=sys.stderr)
        return 1
    except CaptureError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    finally:
        rospy.signal_shutdown("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
