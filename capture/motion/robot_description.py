"""A URDF, read for motion: the joints between base and tool with their limits, and the rest made ready for MuJoCo."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from capture.errors import CaptureError

# A continuous joint may turn this far from home: further, the camera's cable would wind up view by view.
CONTINUOUS_RANGE = 1.5 * np.pi  # rad
MESH_FORMATS = (".stl", ".obj", ".dae")
ROOT_LINK = "lds_scenes_root"
# MuJoCo must neither fuse links that are fixed to each other (their frames would be lost) nor rename mesh files.
_COMPILER = {"fusestatic": "false", "discardvisual": "true", "strippath": "false"}


class RobotDescriptionError(CaptureError):
    """The URDF does not do. The message says which joint, link or file."""


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
        xml: a URDF that MuJoCo reads: without visuals and dynamics, and hung on ROOT_LINK.
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


def describe_robot(
    urdf: str, base_frame: str, tool_frame: str, find_mesh: Callable[[str], Path] | None = None
) -> RobotDescription:
    """Read a URDF.

    Args:
        urdf: the XML text.
        find_mesh: the file that a mesh's `package://` or `file://` address means.

    Raises:
        RobotDescriptionError: no valid URDF, without these frames, or with joints or meshes that are not understood.
    """
    try:
        robot = ElementTree.fromstring(urdf)
    except ElementTree.ParseError as error:
        raise RobotDescriptionError(f"the URDF is no valid XML: {error}") from error
    if robot.tag != "robot":
        raise RobotDescriptionError(
            f"the URDF begins with <{robot.tag}> and not <robot>; a xacro file must be expanded"
        )
    links = tuple(link.get("name", "") for link in robot.iter("link"))
    for frame in (base_frame, tool_frame):
        if frame not in links:
            raise RobotDescriptionError(
                f"the URDF has no link '{frame}', only {', '.join(links)}: see the robot's profile"
            )
    chain = _chain(robot, base_frame, tool_frame)
    joints = tuple(_joint(element) for element in chain if element.get("type") != "fixed")
    if not joints:
        raise RobotDescriptionError(f"no joint between '{base_frame}' and '{tool_frame}' moves")
    meshes = _prepare(robot, {joint.name for joint in joints}, find_mesh)
    return RobotDescription(
        base_frame, tool_frame, joints, links, ElementTree.tostring(robot, encoding="unicode"), meshes
    )


def _chain(robot: ElementTree.Element, base: str, tool: str) -> list[ElementTree.Element]:
    """The joints from base to tool."""
    above = {joint.find("child").get("link"): joint for joint in robot.findall("joint")}
    chain, link = [], tool
    while link != base:
        if link not in above or len(chain) > len(above):
            raise RobotDescriptionError(f"in the URDF, '{tool}' does not hang on '{base}': see the robot's profile")
        chain.append(above[link])
        link = above[link].find("parent").get("link")
    return chain[::-1]


def _joint(element: ElementTree.Element) -> Joint:
    name, kind = element.get("name"), element.get("type")
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


def _prepare(robot: ElementTree.Element, moving: set[str], find_mesh: Callable[[str], Path] | None) -> dict[str, bytes]:
    """Make the URDF one that MuJoCo reads, and return its meshes."""
    meshes: dict[str, bytes] = {}
    for element in [child for child in robot if child.tag not in ("link", "joint")]:
        robot.remove(element)
    for link in robot.findall("link"):
        for part in [child for child in link if child.tag != "collision"]:
            link.remove(part)
        link.append(ElementTree.fromstring(  # no dynamics are computed, but a moving body must have a mass
            "<inertial><mass value='1'/><inertia ixx='1' iyy='1' izz='1' ixy='0' ixz='0' iyz='0'/></inertial>"
        ))  # fmt: skip
        for number, mesh in enumerate(link.iter("mesh")):
            _take_mesh(mesh, f"{link.get('name')}_{number}", link.get("name"), meshes, find_mesh)
    for joint in robot.findall("joint"):
        if joint.get("name") not in moving:
            joint.set("type", "fixed")
        for part in [child for child in joint if child.tag not in ("parent", "child", "origin", "axis")]:
            joint.remove(part)
        if joint.get("type") == "revolute":  # the limits are ours to hold
            joint.set("type", "continuous")
    _hang_on_root(robot)
    robot.insert(0, ElementTree.fromstring("<mujoco><compiler/></mujoco>"))
    robot.find("mujoco/compiler").attrib.update(_COMPILER)
    return meshes


def _hang_on_root(robot: ElementTree.Element) -> None:
    """Fix the first link to ROOT_LINK: MuJoCo would take the first link for the world, and lose its name."""
    children = {joint.find("child").get("link") for joint in robot.findall("joint")}
    first = [link.get("name") for link in robot.findall("link") if link.get("name") not in children]
    if len(first) != 1:
        raise RobotDescriptionError(f"the URDF has {len(first)} first links ({', '.join(first)}); it must have one")
    robot.append(ElementTree.Element("link", name=ROOT_LINK))
    joint = ElementTree.SubElement(robot, "joint", name=ROOT_LINK, type="fixed")
    ElementTree.SubElement(joint, "parent", link=ROOT_LINK)
    ElementTree.SubElement(joint, "child", link=first[0])


def _take_mesh(
    mesh: ElementTree.Element,
    name: str,
    link: str,
    meshes: dict[str, bytes],
    find_mesh: Callable[[str], Path] | None,
) -> None:
    """Load a mesh under a name of its own: files of one name in two folders would be one to MuJoCo."""
    address = mesh.get("filename", "")
    suffix = Path(address).suffix.lower()
    if suffix not in MESH_FORMATS:
        raise RobotDescriptionError(
            f"link '{link}': mesh {address} is of none of the formats {', '.join(MESH_FORMATS)}"
        )
    if find_mesh is None:
        raise RobotDescriptionError(f"link '{link}' has the mesh {address}, and it is not known where such files lie")
    try:
        path = find_mesh(address)
        if suffix == ".dae":
            from capture.motion.collada import hull_of_collada

            suffix, content = ".obj", hull_of_collada(path)
        else:
            content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise RobotDescriptionError(f"link '{link}': mesh {address} cannot be read: {error}") from error
    mesh.set("filename", f"{name}{suffix}")
    meshes[f"{name}{suffix}"] = content
