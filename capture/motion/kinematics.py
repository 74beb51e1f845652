"""Where the tool is for given joint angles, and joint angles for where the camera is to be."""

from __future__ import annotations

import math

import numpy as np

from capture.motion.robot_description import RobotDescription
from capture.motion.robot_model import compiled, robot_spec
from datasets.camera import rigid
from datasets.poses import inverse

POSITION_TOLERANCE = 0.5e-3  # m
DIRECTION_TOLERANCE = np.deg2rad(0.1)
ATTEMPTS = 10
ITERATIONS = 25
DAMPING = 0.03
PULL = 0.1  # how much of the way to the wanted angles the freedom that is left is used for, each step
LARGEST_STEP = 0.7  # rad; a step beyond this leaves the region where the Jacobian holds
SAME = 0.05  # rad; solutions closer than this in all joints are one


class Kinematics:
    """Forward and inverse kinematics of an arm.

    Args:
        robot: its description.
        home: joint angles [J] that the range of continuous joints is laid around; None: zeros.

    Attributes:
        joint_names: J names.
        lower, upper: float64 [J], rad (m where a joint slides).
        home: float64 [J], within the limits.
    """

    def __init__(self, robot: RobotDescription, home: np.ndarray | None = None) -> None:
        import mujoco

        self._mujoco = mujoco
        self.joint_names = robot.joint_names
        self._model = compiled(robot_spec(robot, with_shapes=False))
        self._data = mujoco.MjData(self._model)
        self._address = [self._model.joint(name).qposadr[0] for name in self.joint_names]
        self._dof = [self._model.joint(name).dofadr[0] for name in self.joint_names]
        self._jacobian = np.zeros((6, self._model.nv))
        self._base = self._model.body(robot.base_frame).id
        self._tool = self._model.body(robot.tool_frame).id
        self.home = np.zeros(len(robot.joints)) if home is None else np.asarray(home, np.float64)
        around = [q if joint.kind == "continuous" else 0.0 for q, joint in zip(self.home, robot.joints, strict=True)]
        self.lower = np.array([joint.lower for joint in robot.joints]) + around
        self.upper = np.array([joint.upper for joint in robot.joints]) + around
        if home is None:
            self.home = np.clip(self.home, self.lower, self.upper)
        self._turns = np.array([joint.kind != "prismatic" for joint in robot.joints])

    def T_base_tool(self, q: np.ndarray) -> np.ndarray:
        """Where the tool is [4,4] at joint angles q [J]."""
        self._set(q)
        return inverse(self._frame(self._base)) @ self._frame(self._tool)

    def T_root_base(self) -> np.ndarray:
        """Where the base frame is [4,4] in the frame of the URDF's first link; it does not move."""
        self._set(self.home)
        return self._frame(self._base)

    def inverse(
        self,
        T_base_camera: np.ndarray,
        T_tool_camera: np.ndarray,
        near: np.ndarray,
        rng: np.random.Generator,
        solutions: int = 4,
    ) -> list[np.ndarray]:
        """Joint angles that put the camera at a place, looking in a direction; its roll about that is free.

        Damped least squares (Buss 2009, "Introduction to inverse kinematics", section 6) from `near` and from random
        angles. What freedom is left draws towards `near`.

        Args:
            T_base_camera: float64 [4,4]; of its rotation only the third column (where to look) counts.
            T_tool_camera: float64 [4,4], how the camera is fixed to the tool.
            near: joint angles [J]; solutions are sorted by how far they are from these.

        Returns:
            Up to `solutions` different joint angles [J] within the limits; none where the pose is out of reach.
        """
        found: list[np.ndarray] = []
        for attempt in range(ATTEMPTS):
            seed = near if attempt == 0 else rng.uniform(self.lower, self.upper)
            q = self._descend(T_base_camera, T_tool_camera, np.clip(seed, self.lower, self.upper), near)
            if q is not None and all(np.abs(q - other).max() > SAME for other in found):
                found.append(q)
                if len(found) == solutions:
                    break
        return sorted(found, key=lambda q: np.abs(q - near).max())

    def _descend(
        self, T_base_camera: np.ndarray, T_tool_camera: np.ndarray, q: np.ndarray, near: np.ndarray
    ) -> np.ndarray | None:
        """Joint angles [J] that reach the pose, from q on; None where they do not come within ITERATIONS."""
        T_root_camera = self.T_root_base() @ T_base_camera
        identity = np.eye(6)
        for _ in range(ITERATIONS):
            error, jacobian = self._error(T_root_camera, T_tool_camera, q)
            if math.hypot(*error[:3]) < POSITION_TOLERANCE and math.hypot(*error[3:]) < DIRECTION_TOLERANCE:
                return self._nearest_turn(q, near)
            pull = PULL * (near - q)
            square = jacobian @ jacobian.T + (DAMPING**2 * min(1.0, error @ error) + 1e-9) * identity
            step = pull + jacobian.T @ np.linalg.solve(square, error - jacobian @ pull)
            step *= min(1.0, LARGEST_STEP / np.abs(step).max())
            q = np.clip(q + step, self.lower, self.upper)
        return None

    def _error(
        self, T_root_camera: np.ndarray, T_tool_camera: np.ndarray, q: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """What is missing (m, rad) [6], and its Jacobian [6,J]; the rotation about the line of sight is left out."""
        self._set(q)
        now = self._frame(self._tool) @ T_tool_camera
        sight, wanted = now[:3, 2], T_root_camera[:3, 2]
        turn = _cross_matrix(sight) @ wanted
        sine, cosine = math.sqrt(turn @ turn), sight @ wanted
        if sine > 1e-9:
            turn *= math.atan2(sine, cosine) / sine
        elif cosine < 0:
            turn = np.pi * now[:3, 0]
        jacobian = self._jacobian
        self._mujoco.mj_comPos(self._model, self._data)
        self._mujoco.mj_jac(self._model, self._data, jacobian[:3], jacobian[3:], now[:3, 3], self._tool)
        jacobian[3:] -= sight[:, None] * (sight @ jacobian[3:])
        return np.concatenate([T_root_camera[:3, 3] - now[:3, 3], turn]), jacobian[:, self._dof]

    def _nearest_turn(self, q: np.ndarray, near: np.ndarray) -> np.ndarray:
        """The same angles, each by whole turns as close to `near` as its limits allow."""
        turned = q + 2 * np.pi * np.round((near - q) / (2 * np.pi)) * self._turns
        return np.where((turned >= self.lower) & (turned <= self.upper), turned, q)

    def _set(self, q: np.ndarray) -> None:
        self._data.qpos[self._address] = q
        self._mujoco.mj_kinematics(self._model, self._data)

    def _frame(self, body: int) -> np.ndarray:
        return rigid(self._data.xmat[body].reshape(3, 3), self._data.xpos[body])


def _cross_matrix(v: np.ndarray) -> np.ndarray:
    """The matrix [3,3] whose product with a vector is the cross product of v with it (numpy's own is slow)."""
    x, y, z = v
    return np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
