"""Forward kinematics straight from a URDF's text, with scipy only: what MuJoCo's is held against."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation


def forward(urdf: Path, tip: str, angles: dict[str, float]) -> np.ndarray:
    """The pose [4,4] of the link `tip` in the root link's frame, with revolute joints at `angles` (rad) by name."""
    joints = {j.find("child").get("link"): j for j in ElementTree.parse(urdf).getroot().findall("joint")}
    pose = np.eye(4)
    while tip in joints:
        joint = joints[tip]
        pose = _origin(joint) @ _turn(joint, angles) @ pose
        tip = joint.find("parent").get("link")
    return pose


def _origin(joint: ElementTree.Element) -> np.ndarray:
    origin, pose = joint.find("origin"), np.eye(4)
    pose[:3, 3] = np.fromstring(origin.get("xyz", "0 0 0"), sep=" ")
    rpy = np.fromstring(origin.get("rpy", "0 0 0"), sep=" ")
    pose[:3, :3] = Rotation.from_euler("xyz", rpy).as_matrix()  # fixed axes, as URDF has it
    return pose


def _turn(joint: ElementTree.Element, angles: dict[str, float]) -> np.ndarray:
    pose = np.eye(4)
    if joint.get("type") == "revolute":
        axis = np.fromstring(joint.find("axis").get("xyz"), sep=" ")
        pose[:3, :3] = Rotation.from_rotvec(angles[joint.get("name")] * axis).as_matrix()
    return pose
