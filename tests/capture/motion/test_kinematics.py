from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from arms_for_tests import CRANE_URDF, simulated_urdf
from scipy.spatial.transform import Rotation

from capture.motion.kinematics import Kinematics
from capture.motion.robot_description import CONTINUOUS_RANGE, describe_robot
from capture.motion.urdf import RobotDescriptionError
from datasets.camera import look_at

ROBOTS = {"simulated": (simulated_urdf, "base_link", "tool0"), "crane": (lambda: CRANE_URDF, "base", "hand")}
T_TOOL_CAMERA = np.eye(4)
T_TOOL_CAMERA[:3, :3] = Rotation.from_euler("xyz", [0.1, -0.2, 1.3]).as_matrix()
T_TOOL_CAMERA[:3, 3] = [0.05, -0.01, 0.04]


def kinematics(robot: str) -> Kinematics:
    urdf, base, tool = ROBOTS[robot]
    return Kinematics(describe_robot(urdf(), base, tool))


def forward(urdf: str, base: str, tool: str, q: dict[str, float]) -> np.ndarray:
    """T_base_tool as the URDF's specification has it, on scipy."""
    joints = {joint.find("child").get("link"): joint for joint in ElementTree.fromstring(urdf).findall("joint")}
    T, link = np.eye(4), tool
    while link != base:
        joint = joints[link]
        origin = joint.find("origin")
        xyz, rpy = (
            [float(x) for x in (origin.get(k) if origin is not None and origin.get(k) else "0 0 0").split()]
            for k in ("xyz", "rpy")
        )
        step, motion = np.eye(4), np.eye(4)
        step[:3, :3], step[:3, 3] = Rotation.from_euler("xyz", rpy).as_matrix(), xyz
        axis = joint.find("axis")
        axis = np.array([float(x) for x in (axis.get("xyz") if axis is not None else "1 0 0").split()])
        value = q.get(joint.get("name"), 0.0)
        if joint.get("type") == "prismatic":
            motion[:3, 3] = value * axis
        elif joint.get("type") != "fixed":
            motion[:3, :3] = Rotation.from_rotvec(value * axis).as_matrix()
        T = step @ motion @ T
        link = joint.find("parent").get("link")
    return T


@pytest.mark.parametrize("robot", ROBOTS)
def test_forward_kinematics_agree_with_the_urdf_read_by_hand(robot: str) -> None:
    urdf, base, tool = ROBOTS[robot]
    arm, rng = kinematics(robot), np.random.default_rng(0)
    for _ in range(10):
        q = rng.uniform(arm.lower, arm.upper)
        wanted = forward(urdf(), base, tool, dict(zip(arm.joint_names, q, strict=True)))
        assert arm.T_base_tool(q) == pytest.approx(wanted, abs=1e-6)


def test_camera_gets_where_it_should_look_from() -> None:
    arm, rng = kinematics("simulated"), np.random.default_rng(1)
    reached = 0
    for azimuth in np.linspace(0, 2 * np.pi, 12, endpoint=False):
        target = np.array([0.75, 0.0, 0.03])
        direction = np.array([np.cos(azimuth) * 0.6, np.sin(azimuth) * 0.6, 0.8])
        pose = look_at(target + 0.5 * direction, target)
        found = arm.inverse(pose, T_TOOL_CAMERA, arm.home, rng)
        reached += bool(found)
        for q in found:
            assert ((q >= arm.lower) & (q <= arm.upper)).all()
            camera = arm.T_base_tool(q) @ T_TOOL_CAMERA
            assert np.linalg.norm(camera[:3, 3] - pose[:3, 3]) < 1e-3
            assert np.rad2deg(np.arccos(camera[:3, 2] @ pose[:3, 2])) < 0.2
    assert reached >= 11


def test_solutions_differ_and_the_nearest_comes_first() -> None:
    arm, rng = kinematics("simulated"), np.random.default_rng(2)
    near = np.array([0.2, 0.4, 1.8, 0.1, 0.8, 0.0])
    found = arm.inverse(look_at([0.5, 0.2, 0.5], [0.75, 0, 0]), T_TOOL_CAMERA, near, rng)
    distances = [np.abs(q - near).max() for q in found]
    assert len(found) > 1
    assert distances == sorted(distances)
    assert all(np.abs(a - b).max() > 0.04 for i, a in enumerate(found) for b in found[:i])


def test_pose_from_where_the_arm_is_gives_where_the_arm_is() -> None:
    arm = kinematics("simulated")
    q = np.array([0.2, 0.4, 1.8, 0.1, 0.8, 0.3])
    found = arm.inverse(arm.T_base_tool(q) @ T_TOOL_CAMERA, T_TOOL_CAMERA, q, np.random.default_rng(3))
    assert found[0] == pytest.approx(q, abs=1e-6)


def test_pose_out_of_reach_has_no_solution() -> None:
    arm = kinematics("simulated")
    assert arm.inverse(look_at([3, 0, 1], [4, 0, 0]), T_TOOL_CAMERA, arm.home, np.random.default_rng(4)) == []


def test_endless_joints_stay_within_reach_of_home() -> None:
    urdf, base, tool = ROBOTS["crane"]
    arm = Kinematics(describe_robot(urdf(), base, tool), home=np.array([2.0, 0.5, 0.1]))
    assert arm.joint_names == ("turn", "lift", "slide")
    assert (arm.lower[0], arm.upper[0]) == pytest.approx((2 - CONTINUOUS_RANGE, 2 + CONTINUOUS_RANGE))
    assert (arm.lower[1:], arm.upper[1:]) == (pytest.approx([0.3, 0.05]), pytest.approx([1.5, 0.4]))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<robot", "<xacro", "no valid XML"),
        ('link name="hand"', 'link name="paw"', "has no link 'hand', only cart, base"),
        ('type="revolute"', 'type="floating"', "joint 'lift' is of type floating"),
        ('velocity="2.5"', "", "joint 'lift' needs <limit"),
        ('lower="0.3"', 'lower="2"', "joint 'lift' needs <limit"),
        ('velocity="0.2"', 'velocity="fast"', "joint 'slide' has a limit that is no number"),
        ('<sphere radius="0.03"/>', '<mesh filename="package://a/b.stl"/>', "'slider' has the mesh package://a/b.stl"),
        ('<sphere radius="0.03"/>', '<mesh filename="package://a/b.step"/>', "b.step is of none of the formats"),
        ('<child link="base"/>', '<child link="post"/>', "2 first links"),
        ('<child link="boom"/>', "", "joint 'lift' needs <child link=>"),
        ('<parent link="post"/>', "<parent/>", "joint 'lift' needs <parent link=>"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_urdf_is_named(old: str, new: str, message: str) -> None:
    with pytest.raises(RobotDescriptionError, match=message):
        Kinematics(describe_robot(CRANE_URDF.replace(old, new), "base", "hand"))
