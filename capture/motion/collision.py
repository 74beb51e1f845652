"""Does the arm touch itself, the table, or the zone over the objects?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from capture.errors import CaptureError
from capture.motion.kinematics import Kinematics
from capture.motion.robot_description import RobotDescription
from capture.motion.robot_model import compiled, robot_spec
from capture.motion.robot_profile import RobotProfile
from datasets.poses import inverse

if TYPE_CHECKING:
    import mujoco

CAMERA, TABLE, KEEP_OUT = "camera", "table", "keep_out"
SELF_CLEARANCE = 0.005  # m, between links
STEP = 0.02  # m; on a path that is checked, no point of the arm moves further from one check to the next


class CollisionChecker:
    """The arm with its camera, over its table.

    Links that are fixed to each other or joined by one joint may touch, as may those that touch in the home position
    (a URDF's shapes often overlap there); and those that the profile allows.

    Args:
        robot, profile: the arm, and its surroundings.
        kinematics: of the same arm.

    Attributes:
        touching_at_home: pairs of links that are not checked against each other for that reason.

    Raises:
        CaptureError: the profile allows a pair of which one is neither a link nor camera, table or keep_out.
    """

    def __init__(self, robot: RobotDescription, profile: RobotProfile, kinematics: Kinematics) -> None:
        import mujoco

        self._mujoco = mujoco
        self._joint_names, self._lower, self._upper = robot.joint_names, kinematics.lower, kinematics.upper
        spec = robot_spec(robot, with_shapes=True)
        _add_surroundings(spec, robot, profile, kinematics)
        for geom in spec.geoms:
            geom.margin = SELF_CLEARANCE
        spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_FILTERPARENT
        names = {*robot.links, CAMERA, TABLE, KEEP_OUT}
        for pair in profile.allowed_pairs:
            if unknown := set(pair) - names:
                raise CaptureError(f"profile {profile.name}: allowed_pairs: there is no link '{unknown.pop()}'")
        bodies = {body.name for body in spec.bodies}
        self._load(spec)
        allowed = {frozenset(pair) for pair in profile.allowed_pairs if set(pair) <= bodies}
        self._exclude(spec, allowed | self._adjacent())
        self._load(spec)
        links = set(robot.links)
        self.touching_at_home = sorted(pair for pair in self._touching(kinematics.home) if set(pair) <= links)
        self._exclude(spec, {frozenset(pair) for pair in self.touching_at_home})
        self._load(spec)
        self._reach = self._reaches()

    def why_not(self, q: np.ndarray, slack: float = 0.0) -> str | None:
        """What is wrong with joint angles q [J] in words, and None where nothing is.

        Args:
            slack: how much closer than their clearance parts may come, metres.
        """
        if outside := self._outside_limits(q):
            return outside
        touching = self._touching(q, slack)
        if not touching:
            return None
        first, second = min(touching)
        return {
            KEEP_OUT: f"{first} would be in the keep-out zone over the objects",
            TABLE: f"{first} would come too close to the table",
        }.get(second, f"{first} and {second} would touch")

    def why_not_path(self, start: np.ndarray, goal: np.ndarray, slack: float = 0.0) -> str | None:
        """As `why_not`, for all of a straight line in joint angles from start to goal [J], both included."""
        for end in (start, goal):  # or there were no end of steps, where joint states are beside themselves
            if outside := self._outside_limits(end):
                return outside
        for share in self._shares(start, goal):
            if reason := self.why_not(start + share * (goal - start), slack):
                return reason
        return None

    def _shares(self, start: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """Where on a path to check [N], 0 to 1: coarse first, so that most blocked paths are found out early."""
        steps = max(1, int(np.ceil(np.abs(goal - start) @ self._reach / STEP)))
        order = sorted(range(steps + 1), key=lambda i: (-(i & -i) if i else -steps, i))
        return np.array(order) / steps

    def _outside_limits(self, q: np.ndarray) -> str | None:
        for name, value, low, high in zip(self._joint_names, q, self._lower, self._upper, strict=True):
            if not low - 1e-6 <= value <= high + 1e-6:
                return f"{name} would be at {value:.2f}, outside of its limits {low:.2f} to {high:.2f}"
        return None

    def _touching(self, q: np.ndarray, slack: float = 0.0) -> set[tuple[str, str]]:
        """Pairs of names; of the surroundings, the second."""
        self._data.qpos[self._address] = q
        self._mujoco.mj_kinematics(self._model, self._data)
        self._mujoco.mj_collision(self._model, self._data)
        if self._data.ncon == 0:
            return set()
        contact = self._data.contact
        bodies = self._model.geom_bodyid[contact.geom[contact.dist < SELF_CLEARANCE - slack]]
        return {_ordered(self._names[first], self._names[second]) for first, second in {*map(tuple, bodies.tolist())}}

    def _load(self, spec: mujoco.MjSpec) -> None:
        self._model = compiled(spec)
        self._data = self._mujoco.MjData(self._model)
        self._address = [self._model.joint(name).qposadr[0] for name in self._joint_names]
        self._names = [self._model.body(body).name for body in range(self._model.nbody)]

    def _adjacent(self) -> set[frozenset[str]]:
        """Pairs of bodies that are fixed to each other or joined by one joint; of the camera, only the former."""
        model, names = self._model, self._names
        rigid = model.body_weldid  # bodies fixed to each other have the same
        above = rigid[model.body_parentid[rigid]]
        pairs = set()
        for a in range(1, model.nbody):
            for b in range(a):
                joined = rigid[a] in (rigid[b], above[b]) or rigid[b] == above[a]
                surroundings = {names[a], names[b]} & {CAMERA, TABLE, KEEP_OUT}
                if rigid[a] == rigid[b] or (joined and not surroundings):
                    pairs.add(frozenset((names[a], names[b])))
        return pairs

    def _exclude(self, spec: mujoco.MjSpec, pairs: set[frozenset[str]]) -> None:
        for pair in pairs:
            first, second = sorted(pair)
            spec.add_exclude(bodyname1=first, bodyname2=second)

    def _reaches(self) -> np.ndarray:
        """[J], metres: no point moved by a joint is further from its axis, in any position."""
        model = self._model
        offset = np.linalg.norm(model.body_pos, axis=1)
        size = np.zeros(model.nbody)
        for geom in range(model.ngeom):
            body = model.geom_bodyid[geom]
            if np.isfinite(extent := np.linalg.norm(model.geom_pos[geom]) + model.geom_rbound[geom]):
                size[body] = max(size[body], extent)
        for body in range(model.nbody - 1, 0, -1):  # children come after their parents
            parent = model.body_parentid[body]
            size[parent] = max(size[parent], offset[body] + size[body])
        joints = [model.joint(name) for name in self._joint_names]
        slides = [joint.type[0] == self._mujoco.mjtJoint.mjJNT_SLIDE for joint in joints]
        return np.array([1.0 if slide else size[joint.bodyid[0]] for joint, slide in zip(joints, slides, strict=True)])


def _ordered(first: str, second: str) -> tuple[str, str]:
    """Two names by the alphabet, but the surroundings last."""
    if (first in (TABLE, KEEP_OUT), first) <= (second in (TABLE, KEEP_OUT), second):
        return first, second
    return second, first


def _add_surroundings(
    spec: mujoco.MjSpec, robot: RobotDescription, profile: RobotProfile, kinematics: Kinematics
) -> None:
    import mujoco

    T_root_world = kinematics.T_root_base() @ inverse(profile.T_world_base)
    rotation = np.zeros(4)
    mujoco.mju_mat2Quat(rotation, T_root_world[:3, :3].ravel())

    def add(name: str, height: float, **shape: object) -> None:
        position = T_root_world @ [0, 0, height, 1]
        spec.worldbody.add_body(name=name, pos=position[:3], quat=rotation).add_geom(**shape)

    shapes = mujoco.mjtGeom
    surface = profile.table_height + profile.table_clearance - SELF_CLEARANCE
    add(TABLE, surface, type=shapes.mjGEOM_PLANE, size=[5, 5, 0.1])
    if zone := profile.keep_out:
        middle = profile.table_height + zone.height / 2
        add(KEEP_OUT, middle, type=shapes.mjGEOM_CYLINDER, size=[zone.radius, zone.height / 2, 0])
    if body := profile.camera_body:
        mount = spec.body(robot.tool_frame).add_body(name=CAMERA)
        mount.add_geom(type=shapes.mjGEOM_BOX, size=[edge / 2 for edge in body.size], pos=body.position)
