"""Two robots: the simulated one, and a small one with what that lacks: an endless joint, a slide, a gripper."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from capture.motion.planning import Planner
from capture.motion.robot_profile import RobotProfile, load_robot_profile

# Its base frame is not its first link; its joints' axes and origins are skew.
CRANE_URDF = """<robot name="crane">
  <link name="cart"/>
  <link name="base">
    <collision><origin xyz="0 0 0.1"/><geometry><cylinder radius="0.05" length="0.2"/></geometry></collision>
  </link>
  <link name="post">
    <visual><geometry><mesh filename="package://nowhere/post.dae"/></geometry></visual>
    <collision><origin xyz="0 0 0.15"/><geometry><box size="0.06 0.06 0.3"/></geometry></collision>
  </link>
  <link name="boom">
    <inertial><mass value="0"/><inertia ixx="0" iyy="0" izz="0" ixy="0" ixz="0" iyz="0"/></inertial>
    <collision><origin xyz="0.15 0 0"/><geometry><box size="0.3 0.04 0.04"/></geometry></collision>
  </link>
  <link name="slider"><collision><geometry><sphere radius="0.03"/></geometry></collision></link>
  <link name="hand"/>
  <link name="finger"/>
  <joint name="cart_to_base" type="fixed">
    <parent link="cart"/><child link="base"/><origin xyz="0.4 -0.2 0.3" rpy="0.1 -0.2 0.7"/>
  </joint>
  <joint name="turn" type="continuous">
    <parent link="base"/><child link="post"/><origin xyz="0 0 0.2" rpy="0 0 0.4"/><axis xyz="0 0 1"/>
    <limit velocity="0.5" effort="10"/>
  </joint>
  <joint name="lift" type="revolute">
    <parent link="post"/><child link="boom"/><origin xyz="0.02 0 0.3" rpy="0.2 0.1 0"/><axis xyz="0 0.6 0.8"/>
    <limit lower="0.3" upper="1.5" velocity="2.5" effort="10"/>
  </joint>
  <joint name="slide" type="prismatic">
    <parent link="boom"/><child link="slider"/><origin xyz="0.3 0 0"/>
    <limit lower="0.05" upper="0.4" velocity="0.2" effort="10"/>
  </joint>
  <joint name="to_hand" type="fixed">
    <parent link="slider"/><child link="hand"/><origin xyz="0.1 0 0" rpy="0 1.2 0"/>
  </joint>
  <joint name="grip" type="revolute">
    <parent link="hand"/><child link="finger"/><axis xyz="0 1 0"/>
    <limit lower="0" upper="1" velocity="1" effort="1"/>
  </joint>
  <transmission name="t"><type>x</type></transmission>
</robot>"""

CRANE = RobotProfile(
    name="crane",
    tried="",
    base_frame="base",
    tool_frame="hand",
    trajectory_action="/crane",
    joint_states="/joint_states",
    T_world_base=np.eye(4),
    max_velocity=1.0,
    max_acceleration=2.0,
    home={"turn": 0.0, "lift": 0.5, "slide": 0.1},
    table_height=-0.5,
)


def simulated_urdf() -> str:
    return load_robot_profile("simulated").urdf.read_text()


def simulated_planner(**changes: object) -> Planner:
    profile = replace(load_robot_profile("simulated"), **changes)
    return Planner(profile, Path(profile.urdf).read_text())
