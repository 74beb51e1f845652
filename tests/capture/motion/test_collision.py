from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from arms_for_tests import CRANE, CRANE_URDF, simulated_planner

from capture.errors import CaptureError
from capture.motion.collision import STEP, CollisionChecker
from capture.motion.kinematics import Kinematics
from capture.motion.robot_description import describe_robot
from capture.motion.robot_profile import CameraBody, KeepOut, RobotProfile
from capture.motion.urdf import RobotDescriptionError

ABOVE = np.array([0.0, 0.35, 2.1, 0.0, 0.7, 0.0])  # over the middle of the table, looking down
AMONG_OBJECTS = ABOVE + [0, 0.8, 0.1, 0, 0, 0]
AT_TABLE = ABOVE + [0, 1.1, 0.1, 0, 0, 0]
FOLDED = np.array([0.0, -0.3, 2.8, 0.0, 2.2, 0.0])


def crane(profile: RobotProfile = CRANE, urdf: str = CRANE_URDF, find_mesh: object = None) -> CollisionChecker:
    robot = describe_robot(urdf, "base", "hand", find_mesh)
    return CollisionChecker(robot, profile, Kinematics(robot, np.array([0.0, 0.5, 0.1])))


def test_home_is_free() -> None:
    checker = simulated_planner().collisions
    assert checker.why_not(ABOVE) is None
    assert checker.touching_at_home == []


def test_table_is_kept_clear_of_and_the_link_named() -> None:
    assert simulated_planner().collisions.why_not(AT_TABLE) == "camera_mount would come too close to the table"


def test_links_that_touch_are_named() -> None:
    assert simulated_planner().collisions.why_not(FOLDED) == "wrist_1_link and wrist_3_link would touch"


def test_zone_over_the_objects_is_kept_clear_of() -> None:
    assert simulated_planner(keep_out=None).collisions.why_not(AMONG_OBJECTS) is None
    reason = simulated_planner().collisions.why_not(AMONG_OBJECTS)
    assert reason == "wrist_2_link would be in the keep-out zone over the objects"


def test_camera_counts_as_part_of_the_arm() -> None:
    body = CameraBody(size=(0.05, 0.05, 0.5), position=(0, 0, 0.3))
    planner = simulated_planner(camera_body=body, home=None)
    assert planner.collisions.why_not(ABOVE) == "camera would be in the keep-out zone over the objects"


def test_joint_limits_are_named() -> None:
    reason = simulated_planner().collisions.why_not(ABOVE + [0, 0, 1, 0, 0, 0])
    assert reason == "elbow_joint would be at 3.10, outside of its limits -2.80 to 2.80"


@pytest.mark.parametrize("far", [2.4e6, 1e300, np.inf, np.nan])
def test_a_path_from_where_no_arm_can_be_is_refused_at_once(far: float) -> None:
    start = ABOVE + [far, 0, 0, 0, 0, 0]
    assert simulated_planner().collisions.why_not_path(start, ABOVE).startswith("shoulder_pan_joint would be at")


def test_path_is_checked_between_its_ends() -> None:
    checker = simulated_planner().collisions
    start, goal = AMONG_OBJECTS + [0.4, 0, 0, 0, 0, 0], AMONG_OBJECTS - [0.4, 0, 0, 0, 0, 0]
    assert checker.why_not(start) is None
    assert checker.why_not(goal) is None
    assert "keep-out zone" in checker.why_not_path(start, goal)


def test_no_point_of_the_arm_moves_far_between_two_checks() -> None:
    planner = simulated_planner()
    start, goal = ABOVE, ABOVE + [0.5, -0.3, 0.4, 1.0, -0.5, 2.0]
    shares = np.sort(planner.collisions._shares(start, goal))
    assert (shares[0], shares[-1]) == (0, 1)
    tools = np.array([planner.T_world_tool(start + s * (goal - start)) for s in shares])
    corner = tools[:, :3, 3] + tools[:, :3, :3] @ [0.06, 0.05, 0.05]
    assert np.linalg.norm(np.diff(corner, axis=0), axis=1).max() <= STEP


def test_a_thin_rod_is_seen_wherever_on_its_way_the_arm_would_brush_it() -> None:
    """A ball of 2 cm at the end of the arm sweeps over 50 cm and more, past a rod that stands upright in its way."""
    ball = '<link name="hand"><collision><geometry><sphere radius="0.02"/></geometry></collision></link>'
    urdf = CRANE_URDF.replace('<link name="hand"/>', ball)
    robot, at_rod, base = describe_robot(urdf, "base", "hand"), np.array([0.0, 0.5, 0.1]), np.eye(4)
    x, y, z = Kinematics(robot, at_rod).T_base_tool(at_rod)[:3, 3]
    base[:2, 3] = -x, -y  # a keep-out zone is around the world's origin
    rod = KeepOut(radius=0.003, height=z + 0.01 - CRANE.table_height)
    checker = crane(replace(CRANE, T_world_base=base, keep_out=rod), urdf)
    for before in np.linspace(0.1, 0.9, 15):
        start, goal = at_rod - [before, 0, 0], at_rod + [1 - before, 0, 0]
        assert checker.why_not(start) is None and checker.why_not(goal) is None
        assert checker.why_not_path(start, goal) == "hand would be in the keep-out zone over the objects"


def test_parts_may_come_closer_by_the_slack() -> None:
    planner = simulated_planner()
    way = np.linspace(ABOVE, AT_TABLE, 300)
    touching = next(q for q in way if planner.collisions.why_not(q))
    assert planner.collisions.why_not(touching, slack=0.01) is None
    assert planner.collisions.why_not(AT_TABLE, slack=0.01)


def test_pairs_may_be_allowed() -> None:
    assert simulated_planner(allowed_pairs=(("keep_out", "wrist_2_link"),)).collisions.why_not(AMONG_OBJECTS) is None


def test_allowed_pair_of_unknown_links_is_named() -> None:
    with pytest.raises(CaptureError, match="profile crane: allowed_pairs: there is no link 'tail'"):
        crane(replace(CRANE, allowed_pairs=(("boom", "tail"),)))


def test_what_touches_at_home_is_told_and_not_checked() -> None:
    urdf = CRANE_URDF.replace('<sphere radius="0.03"/>', '<box size="0.9 0.05 0.05"/>')
    checker = crane(urdf=urdf)
    assert ("post", "slider") in checker.touching_at_home
    assert checker.why_not(np.array([0.0, 0.5, 0.1])) is None


def test_base_that_is_not_the_first_link_stands_where_the_profile_says() -> None:
    low = np.eye(4)
    low[2, 3] = 0.3
    assert crane(replace(CRANE, table_height=0.0, T_world_base=low)).why_not(np.array([0, 0.5, 0.1])) is None
    sunk = np.eye(4)
    sunk[2, 3] = -0.6
    reason = crane(replace(CRANE, table_height=0.0, T_world_base=sunk)).why_not(np.array([0, 0.5, 0.1]))
    assert reason.endswith("would come too close to the table")


def cube_stl(path: Path, edge: float) -> Path:
    """A binary STL of a cube around its origin."""
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)]) * edge - edge / 2
    faces = [
        (0, 1, 3),
        (0, 3, 2),
        (4, 6, 7),
        (4, 7, 5),
        (0, 4, 5),
        (0, 5, 1),
        (2, 3, 7),
        (2, 7, 6),
        (0, 2, 6),
        (0, 6, 4),
        (1, 5, 7),
        (1, 7, 3),
    ]
    triangles = b"".join(struct.pack("<12fH", *np.zeros(3), *corners[list(face)].ravel(), 0) for face in faces)
    path.write_bytes(bytes(80) + struct.pack("<I", len(faces)) + triangles)
    return path


def cube_dae(path: Path, edge: float) -> Path:
    """The same as COLLADA, in millimetres, moved there by its node and back by its matrix."""
    half = edge * 500
    corners = " ".join(f"{x} {y} {z}" for x in (-half, half) for y in (-half, half) for z in (-half, half))
    path.write_text(f"""<?xml version="1.0"?>
      <COLLADA xmlns="http://www.collada.org/2005/11/COLLADASchema" version="1.4.1">
      <asset><unit name="millimeter" meter="0.001"/></asset>
      <library_geometries><geometry id="cube"><mesh>
        <source id="p"><float_array id="a" count="24">{corners}</float_array></source>
        <source id="n"><float_array id="b" count="3">9000 9000 9000</float_array></source>
        <vertices id="v"><input semantic="POSITION" source="#p"/></vertices>
      </mesh></geometry></library_geometries>
      <library_visual_scenes><visual_scene id="s"><node>
        <translate>0 0 70</translate><rotate>0 0 1 90</rotate>
        <node><matrix>1 0 0 0 0 1 0 0 0 0 1 -70 0 0 0 1</matrix><instance_geometry url="#cube"/></node>
      </node></visual_scene></library_visual_scenes></COLLADA>""")
    return path


@pytest.mark.parametrize("write", [cube_stl, cube_dae])
def test_meshes_collide_like_the_shapes_that_they_show(write: object, tmp_path: Path) -> None:
    suffix = write.__name__.removeprefix("cube_")
    path = write(tmp_path / f"part.{suffix}", 0.12)
    meshed = CRANE_URDF.replace('<sphere radius="0.03"/>', f'<mesh filename="package://arm/part.{suffix}"/>')
    boxed = CRANE_URDF.replace('<sphere radius="0.03"/>', '<box size="0.12 0.12 0.12"/>')
    low = replace(CRANE, table_height=0.15)
    mesh, box = crane(low, meshed, lambda _: path), crane(low, boxed)
    rng = np.random.default_rng(0)
    postures = rng.uniform([-3, 0.3, 0.05], [3, 1.5, 0.4], (60, 3))
    reasons = [mesh.why_not(q) for q in postures]
    assert reasons == [box.why_not(q) for q in postures]
    assert "slider would come too close to the table" in reasons
    assert None in reasons


SCENE = "<COLLADA><library_visual_scenes><visual_scene><node>{}</node></visual_scene></library_visual_scenes></COLLADA>"


@pytest.mark.parametrize(
    "content",
    [
        "<COLLADA/>",
        "no xml",
        "",
        SCENE.format("<instance_geometry url='#nothing'/>"),
        SCENE.format("<instance_geometry/>"),
        SCENE.format("<rotate>0 0 1</rotate>"),
        SCENE.format("<matrix/>"),
    ],
)
def test_broken_mesh_is_named(content: str, tmp_path: Path) -> None:
    path = tmp_path / "part.dae"
    path.write_text(content)
    urdf = CRANE_URDF.replace('<sphere radius="0.03"/>', '<mesh filename="package://arm/part.dae"/>')
    with pytest.raises(RobotDescriptionError, match="link 'slider': mesh package://arm/part.dae cannot be read"):
        crane(urdf=urdf, find_mesh=lambda _: path)
