"""The robot's URDF and its meshes, as ROS knows them, and the planner of such a robot."""

from __future__ import annotations

from pathlib import Path

import rospkg
import rospy

from capture.errors import CaptureError
from capture.motion.planning import Planner
from capture.motion.robot_profile import RobotProfile


def robot_planner(profile: RobotProfile) -> Planner:
    """Raises CaptureError where there is no URDF, a mesh is missing, or profile and URDF do not fit together."""
    return Planner(profile, robot_urdf(profile), find_mesh)


def robot_urdf(profile: RobotProfile) -> str:
    """The XML text: the profile's file, or what the robot's launch file set. Raises CaptureError without either."""
    if profile.urdf is not None:
        try:
            return profile.urdf.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise CaptureError(f"{profile.urdf}: cannot be read as a URDF: {error}") from error
    try:
        return rospy.get_param("/robot_description")
    except KeyError as error:
        raise CaptureError(
            "the parameter /robot_description is not set: start the arm's driver, or name a URDF file as `urdf` in the "
            f"robot profile {profile.name}"
        ) from error


def find_mesh(address: str) -> Path:
    """The file that package://PACKAGE/PATH or file://PATH means. Raises CaptureError where there is no such package."""
    if address.startswith("file://"):
        return Path(address.removeprefix("file://"))
    package, _, path = address.removeprefix("package://").partition("/")
    try:
        return Path(rospkg.RosPack().get_path(package)) / path
    except rospkg.ResourceNotFound as error:
        raise CaptureError(f"{address}: there is no package '{package}' here: install or source it") from error
