"""Descriptions of robots (URDF), their meshes, and views of the calibration board, made hostile."""

from __future__ import annotations

import copy
import functools
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
from batches import Kind, expect_none_at_fault
from mutation import mutated
from nursery import Nursery

from capture.calibration.board import BOARD, Board
from capture.calibration.hand_eye import View
from capture.calibration.view_folder import Setup, ViewFolder, read_views
from capture.errors import CaptureError
from capture.motion.planning import Planner
from capture.motion.robot_profile import load_robot_profile
from lds_models.presets import config_folder

CONFIG = config_folder() / "robots"
NUMBERS = ("nan", "inf", "-1", "0", "1e308", "1e-320", "x", "", "1 2", "1 2 3 4 5", "0x10", "1e400", "٣")
NAMES = ("", "base_link", "tool0", "world", "nowhere", "a b", "x" * 5000, "../../etc/passwd", "lds_scenes_root", "\n")
TYPES = ("fixed", "continuous", "revolute", "prismatic", "floating", "planar", "ball", "")
STL = b"solid x\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\nvertex 0 1 0\nendloop\nendfacet\nendsolid"
OBJ = b"v 0 0 0\nv .1 0 0\nv 0 .1 0\nv 0 0 .1\nf 1 2 3\nf 1 2 4\nf 1 3 4\nf 2 3 4\n"
DAE = b"""<COLLADA><asset><unit meter="0.1"/></asset><library_geometries><geometry id="g"><mesh><source id="s">
<float_array count="12">0 0 0 1 0 0 0 1 0 0 0 1</float_array></source><vertices id="v"><input semantic="POSITION"
source="#s"/></vertices></mesh></geometry></library_geometries><library_visual_scenes><visual_scene id="w"><node>
<translate>1 2 3</translate><instance_geometry url="#g"/></node></visual_scene></library_visual_scenes></COLLADA>"""
ENTITIES = "<!DOCTYPE robot [{}]>".format(
    '<!ENTITY e0 "x">' + "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 11))
)
OUTSIDE = '<!DOCTYPE robot [<!ENTITY secret SYSTEM "file:///etc/hostname">]>'


def write_urdf(rng: Random, folder: Path) -> Path:
    text = (CONFIG / "simulated.urdf").read_text()
    path = folder / "robot.urdf"
    how = rng.randrange(10)
    if how < 2:
        path.write_bytes(mutated(rng, text.encode()))
    elif how < 3:
        doctype = rng.choice((ENTITIES + "<robot name='&e10;'>", OUTSIDE + "<robot name='&secret;'>"))
        path.write_text(text[text.index("<robot") :].replace("<robot", doctype + "<x", 1))
    elif how < 4:
        path.write_text("<robot>" + "<link>" * rng.choice((200, 20_000)))
    else:
        path.write_bytes(ElementTree.tostring(_changed(rng, ElementTree.fromstring(text))))
    for name, content in (("m.stl", STL), ("m.obj", OBJ), ("m.dae", DAE)):
        (folder / name).write_bytes(content if rng.random() < 0.3 else mutated(rng, content))
    return path


def _changed(rng: Random, robot: ElementTree.Element) -> ElementTree.Element:
    for _ in range(rng.choice((1, 1, 2, 3))):
        parent = rng.choice([element for element in robot.iter() if len(element)])
        change = rng.choice((_set_attribute, _set_attribute, _remove, _repeat, _give_mesh))
        change(rng, parent, rng.choice(list(parent)))
    return robot


def _set_attribute(rng: Random, parent: ElementTree.Element, element: ElementTree.Element) -> None:
    places = [found for found in element.iter() if found.attrib]
    if places:
        place = rng.choice(places)
        name = rng.choice(list(place.attrib))
        values = NAMES if name in ("name", "link", "joint") else TYPES if name == "type" else NUMBERS
        place.set(name, rng.choice(values))


def _remove(rng: Random, parent: ElementTree.Element, element: ElementTree.Element) -> None:
    parent.remove(element)


def _repeat(rng: Random, parent: ElementTree.Element, element: ElementTree.Element) -> None:
    for _ in range(rng.choice((1, 3, 300))):
        parent.append(copy.deepcopy(element))


def _give_mesh(rng: Random, parent: ElementTree.Element, element: ElementTree.Element) -> None:
    for link in parent.iter("link"):
        names = ("m.stl", "m.obj", "m.dae", "M.STL", "nowhere.stl", "m.xacro", "", "/dev/zero", "../robot.urdf", ".stl")
        shape = ElementTree.SubElement(ElementTree.SubElement(link, "collision"), "geometry")
        ElementTree.SubElement(shape, "mesh", filename=rng.choice(names), scale=rng.choice(("1 1 1", *NUMBERS)))
        return


def read_urdf(path: Path) -> None:
    """As the capture node does: what the description allows is planned with."""
    text = path.read_text(errors="replace")
    planner = Planner(load_robot_profile("simulated"), text, lambda name: path.parent / name)
    assert np.isfinite(planner.T_world_tool(planner.home)).all(), "a tool that is nowhere"
    planner.plan(planner.home, np.clip(planner.home + 0.05, planner.kinematics.lower, planner.kinematics.upper))


@functools.cache
def board_views() -> dict[str, bytes]:
    """The files of a folder with three views of the board."""
    with TemporaryDirectory() as temporary:
        folder = ViewFolder(Path(temporary) / "views", Setup("CAM1", BOARD, "ur5e"))
        for number in range(3):
            pose = np.eye(4)
            pose[:3, 3] = 0.1 * number
            folder.add(np.full((40, 60, 3), 40 * number, np.uint8), pose)
        return {path.name: path.read_bytes() for path in folder.path.iterdir()}


def write_views(rng: Random, folder: Path) -> Path:
    root = folder / "views"
    root.mkdir()
    files = dict(board_views())
    victim = rng.choice(("views.csv", "views.csv", "view_000.png"))
    if victim == "views.csv" and rng.random() < 0.6:
        files[victim] = _odd_table(rng, files[victim].decode()).encode("utf-8", "surrogatepass")
    else:
        files[victim] = mutated(rng, files[victim], files["view_002.png"])
    for name, content in files.items():
        (root / name).write_bytes(content)
    return root


def _odd_table(rng: Random, text: str) -> str:
    lines = text.splitlines()
    row = rng.randrange(len(lines))
    cells = lines[row].split(",")
    names = ("../views.csv", "view_000.png", "", "x", '"', "\0", "\r", "\ud800")
    odd = (*names, "nan", "inf", "1e400", "1" * 200_000, "٣")
    cells[rng.randrange(len(cells))] = rng.choice(odd)
    if rng.random() < 0.2:
        cells = rng.choice(([], cells[:-1], [*cells, "1"], cells * 3))
    lines[row] = ",".join(cells)
    return "\n".join(lines)


def read_board_views(root: Path) -> None:
    views: list[View] = read_views(root, Board())
    assert all(np.isfinite(view.T_base_tool).all() for view in views)


def test_every_robot_description_is_planned_with_or_refused(
    nursery: Nursery, share: Callable[[int], int], tmp_path: Path
) -> None:
    kind = Kind(write_urdf, read_urdf, (CaptureError,), named=False)
    expect_none_at_fault(nursery, kind, share(1000), tmp_path)


def test_every_folder_of_board_views_is_read_or_refused(
    nursery: Nursery, share: Callable[[int], int], tmp_path: Path
) -> None:
    expect_none_at_fault(nursery, Kind(write_views, read_board_views, (CaptureError,)), share(500), tmp_path)
