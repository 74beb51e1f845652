"""A URDF made one that MuJoCo reads: without visuals and dynamics, under a root of its own, its meshes at hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, fromstring

from capture.motion.urdf import RobotDescriptionError, link_of, name_of

MESH_FORMATS = (".stl", ".obj", ".dae")
ROOT_LINK = "lds_scenes_root"
# MuJoCo must neither fuse links that are fixed to each other (their frames would be lost) nor rename mesh files.
_COMPILER = {"fusestatic": "false", "discardvisual": "true", "strippath": "false"}
# No dynamics are computed, but a moving body must have a mass.
_INERTIAL = "<inertial><mass value='1'/><inertia ixx='1' iyy='1' izz='1' ixy='0' ixz='0' iyz='0'/></inertial>"

FindMesh = Callable[[str], Path]


def make_readable(robot: Element, moving: set[str], find_mesh: FindMesh | None) -> dict[str, bytes]:
    """Change a URDF's <robot> so that MuJoCo reads it, and load its meshes.

    Args:
        moving: names of the joints that stay as they are; all others are fixed at their zero.
        find_mesh: the file that a mesh's `package://` or `file://` address means.

    Returns:
        The mesh files by the names that the URDF now has for them.

    Raises:
        RobotDescriptionError: a mesh cannot be had, or there is no single first link.
    """
    meshes: dict[str, bytes] = {}
    _keep_only(robot, "link", "joint")
    for link in robot.findall("link"):
        meshes |= _make_link_readable(link, find_mesh)
    for joint in robot.findall("joint"):
        _make_joint_readable(joint, name_of(joint) in moving)
    _hang_on_root(robot)
    extension = Element("mujoco")
    SubElement(extension, "compiler", _COMPILER)
    robot.insert(0, extension)
    return meshes


def _make_link_readable(link: Element, find_mesh: FindMesh | None) -> dict[str, bytes]:
    """Its meshes get names of their own: files of one name in two folders would be one to MuJoCo."""
    meshes: dict[str, bytes] = {}
    _keep_only(link, "collision")
    link.append(fromstring(_INERTIAL))
    for number, mesh in enumerate(link.iter("mesh")):
        suffix, content = _load_mesh(mesh.get("filename", ""), name_of(link), find_mesh)
        mesh.set("filename", f"{name_of(link)}_{number}{suffix}")
        meshes[mesh.attrib["filename"]] = content
    return meshes


def _make_joint_readable(joint: Element, moves: bool) -> None:
    _keep_only(joint, "parent", "child", "origin", "axis")
    if not moves:
        joint.set("type", "fixed")
    elif joint.get("type") == "revolute":  # the limits are ours to hold
        joint.set("type", "continuous")


def _keep_only(element: Element, *tags: str) -> None:
    for part in [child for child in element if child.tag not in tags]:
        element.remove(part)


def _hang_on_root(robot: Element) -> None:
    """Fix the first link to ROOT_LINK: MuJoCo would take the first link for the world, and lose its name."""
    children = {link_of(joint, "child") for joint in robot.findall("joint")}
    first = [name_of(link) for link in robot.findall("link") if name_of(link) not in children]
    if len(first) != 1:
        raise RobotDescriptionError(f"the URDF has {len(first)} first links ({', '.join(first)}); it must have one")
    SubElement(robot, "link", name=ROOT_LINK)
    joint = SubElement(robot, "joint", name=ROOT_LINK, type="fixed")
    SubElement(joint, "parent", link=ROOT_LINK)
    SubElement(joint, "child", link=first[0])


def _load_mesh(address: str, link: str, find_mesh: FindMesh | None) -> tuple[str, bytes]:
    """The suffix, which tells the format, and the content of a mesh file that MuJoCo reads."""
    suffix = Path(address).suffix.lower()
    if suffix not in MESH_FORMATS:
        raise RobotDescriptionError(
            f"link '{link}': mesh {address} is of none of the formats {', '.join(MESH_FORMATS)}"
        )
    if find_mesh is None:
        raise RobotDescriptionError(f"link '{link}' has the mesh {address}, and it is not known where such files lie")
    try:
        path = find_mesh(address)
        if suffix != ".dae":
            return suffix, path.read_bytes()
        from capture.motion.collada import hull_of_collada

        return ".obj", hull_of_collada(path)
    except (OSError, ValueError) as error:
        raise RobotDescriptionError(f"link '{link}': mesh {address} cannot be read: {error}") from error
