"""COLLADA (.dae) meshes, which many robots' descriptions come with and MuJoCo does not read."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datasets.camera import rigid

if TYPE_CHECKING:
    from scipy.spatial import ConvexHull

# How many numbers say how a node is placed.
_PLACEMENTS = {"matrix": 16, "translate": 3, "rotate": 4, "scale": 3}


def hull_of_collada(path: Path) -> bytes:
    """The convex hull of all that a COLLADA 1.4 or 1.5 file shows, in metres, as the text of an OBJ file.

    As in rviz, the file's unit of length counts and its up axis does not.

    Raises:
        OSError, ValueError: it cannot be read, or shows no mesh.
    """
    from scipy.spatial import ConvexHull, QhullError

    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise ValueError(f"{path} is no valid XML: {error}") from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]  # COLLADA 1.4 and 1.5 differ in their namespace
    unit = root.find("asset/unit")
    points = _shown_points(root) * (1.0 if unit is None else float(unit.get("meter", 1)))
    try:
        hull = ConvexHull(points)
    except (QhullError, ValueError) as error:
        raise ValueError(f"{path} shows no mesh with a volume") from error
    number = {vertex: i for i, vertex in enumerate(hull.vertices, 1)}
    lines = ["v {:.9g} {:.9g} {:.9g}".format(*points[vertex]) for vertex in hull.vertices]
    lines += ["f {} {} {}".format(*(number[vertex] for vertex in face)) for face in _outward(hull)]
    return "\n".join(lines).encode()


def _outward(hull: ConvexHull) -> list[np.ndarray]:
    """The faces [3] of a hull, counter-clockwise as seen from outside."""
    faces = []
    for face, equation in zip(hull.simplices, hull.equations, strict=True):
        a, b, c = hull.points[face]
        faces.append(face if np.cross(b - a, c - a) @ equation[:3] > 0 else face[::-1])
    return faces


def _shown_points(root: ElementTree.Element) -> np.ndarray:
    """Vertices [N,3] of the meshes in the scene, in the file's unit."""
    geometries = {geometry.get("id", ""): _vertices(geometry) for geometry in root.iter("geometry")}
    library = {node.get("id", ""): node for node in root.iter("node")}
    points: list[np.ndarray] = [np.empty((0, 3))]

    def show(node: ElementTree.Element, T: np.ndarray) -> None:
        T = T @ _placement(node)
        for instance in node.findall("instance_geometry"):
            points.append(geometries[_target(instance)] @ T[:3, :3].T + T[:3, 3])
        for child in node.findall("node"):
            show(child, T)
        for instance in node.findall("instance_node"):
            show(library[_target(instance)], T)

    try:
        for scene in root.iter("visual_scene"):
            for node in scene.findall("node"):
                show(node, np.eye(4))
    except (KeyError, RecursionError) as error:
        raise ValueError(f"its scene names a part that it does not have ({error})") from error
    return np.concatenate(points)


def _target(instance: ElementTree.Element) -> str:
    """The id of what an instance shows."""
    return instance.get("url", "").removeprefix("#")


def _vertices(geometry: ElementTree.Element) -> np.ndarray:
    sources = [i.get("source", "") for i in geometry.iterfind("mesh/vertices/input") if i.get("semantic") == "POSITION"]
    wanted = {source.removeprefix("#") for source in sources}
    arrays = [s.findtext("float_array") or "" for s in geometry.iterfind("mesh/source") if s.get("id") in wanted]
    return np.array(" ".join(arrays).split(), np.float64).reshape(-1, 3)


def _placement(node: ElementTree.Element) -> np.ndarray:
    """T_parent_node [4,4]; the elements of a node apply in the order they are written."""
    from scipy.spatial.transform import Rotation

    T = np.eye(4)
    for element in node:
        if element.tag not in _PLACEMENTS:
            continue
        values = np.array((element.text or "").split(), np.float64)
        if len(values) != _PLACEMENTS[element.tag]:
            raise ValueError(f"a <{element.tag}> has {len(values)} numbers, not {_PLACEMENTS[element.tag]}")
        if element.tag == "matrix":
            T = T @ values.reshape(4, 4)
        elif element.tag == "translate":
            T = T @ rigid(np.eye(3), values)
        elif element.tag == "rotate":
            T = T @ rigid(Rotation.from_rotvec(np.deg2rad(values[3]) * values[:3]).as_matrix(), np.zeros(3))
        else:
            T = T @ rigid(np.diag(values), np.zeros(3))
    return T
