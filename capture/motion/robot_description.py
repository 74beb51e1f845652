"""A URDF, read for motion: the joints between base and tool with their limits, and the rest made ready for MuJoCo."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass

import numpy as np

from capture.motion.mujoco_urdf import FindMesh, make_readable
from capture.motion.urdf import RobotDescriptionError, link_of, name_of

# A continuous joint may turn this far from home: further, the camera's cable would wind up view by view.
CONTINUOUS_RANGE = 1.5 * np.pi  # rad


@dataclass(frozen=True)
class Joint:
    """A joint that moves the tool; `lower`, `upper` in rad and `max_velocity` in rad/s (m and m/s where it slides)."""

    name: str
    kind: str
    lower: float
    upper: float
    max_velocity: float


@dataclass(frozen=True)
class RobotDescription:
    """What a URDF says of the arm.

    Attributes:
        base_frame, tool_frame: links; the base does not move, the camera is fixed to the tool.
        joints: those between base and tool, in this order. All others are fixed at their zero.
        links: names of all links.
        xml: a URDF that MuJoCo reads: without visuals and dynamics, and hung on a root of its own.
        meshes: the mesh files that `xml` names, by that name.
    """

    base_frame: str
    tool_frame: str
    joints: tuple[Joint, ...]
    links: tuple[str, ...]
    xml: str
    meshes: dict[str, bytes]

    @property
    def joint_names(self) -> tuple[str, ...]:
        return tuple(joint.name for joint in self.joints)


def describe_robot(urdf: str, base_frame: str, tool_frame: str, find_mesh: FindMesh | None = None) -> RobotDescription:
    """Read a URDF.

    Args:
        urdf: the XML text.
        find_mesh: the file that a mesh's `package://` or `file://` address means.

    Raises:
        RobotDescriptionError: no valid URDF, without these frames, or with joints or meshes that are not understood.
    """
    robot = _parsed(urdf)
    links = tuple(name_of(link) for link in robot.findall("link"))
    for frame in (base_frame, tool_frame):
        if frame not in links:
            raise RobotDescriptionError(
                f"the URDF has no link '{frame}', only {', '.join(links)}: see the robot's profile"
            )
    chain = _chain(robot, base_frame, tool_frame)
    joints = tuple(_joint(element) for element in chain if element.get("type") != "fixed")
    if not joints:
        raise RobotDescriptionError(f"no joint between '{base_frame}' and '{tool_frame}' moves")
    meshes = make_readable(robot, {joint.name for joint in joints}, find_mesh)
    return RobotDescription(
        base_frame, tool_frame, joints, links, ElementTree.tostring(robot, encoding="unicode"), meshes
    )


def _parsed(urdf: str) -> ElementTree.Element:
    try:
        robot = ElementTree.fromstring(urdf)
    except ElementTree.ParseError as error:
        raise RobotDescriptionError(f"the URDF is no valid XML: {error}") from error
    if robot.tag != "robot":
        raise RobotDescriptionError(
            f"the URDF begins with <{robot.tag}> and not <robot>; a xacro file must be expanded"
        )
    return robot


def _chain(robot: ElementTree.Element, base: str, tool: str) -> list[ElementTree.Element]:
    """The joints from base to tool."""
    above = {link_of(joint, "child"): joint for joint in robot.findall("joint")}
    chain: list[ElementTree.Element] = []
    link = tool
    while link != base:
        if link not in above or len(chain) > len(above):
            raise RobotDescriptionError(f"in the URDF, '{tool}' does not hang on '{base}': see the robot's profile")
        chain.append(above[link])
        link = link_of(above[link], "parent")
    return chain[::-1]


def _joint(element: ElementTree.Element) -> Joint:
    name, kind = name_of(element), element.get("type", "")
    if kind not in ("revolute", "continuous", "prismatic") or element.find("mimic") is not None:
        kind = "mimic" if element.find("mimic") is not None else kind
        raise RobotDescriptionError(f"the URDF's joint '{name}' is of type {kind}, with which no arm can be planned")
    limit = element.find("limit")
    values = {} if limit is None else limit.attrib
    try:
        speed = float(values.get("velocity", "inf" if kind == "continuous" else "nan"))
        lower, upper = float(values.get("lower", 0)), float(values.get("upper", 0))
    except ValueError as error:
        raise RobotDescriptionError(f"the URDF's joint '{name}' has a limit that is no number: {error}") from error
    if kind == "continuous":
        lower, upper = -CONTINUOUS_RANGE, CONTINUOUS_RANGE
    if not (lower < upper and speed > 0):
        raise RobotDescriptionError(
            f"the URDF's joint '{name}' needs <limit lower= upper= velocity=> with lower < upper and velocity > 0"
        )
    return Joint(name, kind, lower, upper, speed)
