"""An arm as a MuJoCo model; only its geometry is used, never its dynamics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from capture.motion.robot_description import RobotDescription
from capture.motion.urdf import RobotDescriptionError

if TYPE_CHECKING:
    import mujoco


def robot_spec(robot: RobotDescription, with_shapes: bool) -> mujoco.MjSpec:
    """The arm, still to be compiled; its bodies have the links' names.

    Raises:
        RobotDescriptionError: MuJoCo does not read it.
    """
    import mujoco

    try:
        spec = mujoco.MjSpec.from_string(robot.xml, assets=dict(robot.meshes))
    except ValueError as error:
        raise RobotDescriptionError(f"MuJoCo does not read the URDF: {_in_a_line(error)}") from error
    for mesh in spec.meshes:  # scanned surfaces may have holes; collisions take the convex hull in any case
        mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX
    if not with_shapes:
        for shape in [*spec.geoms, *spec.meshes]:
            spec.delete(shape)
    return spec


def compiled(spec: mujoco.MjSpec) -> mujoco.MjModel:
    """Raises RobotDescriptionError where MuJoCo cannot make a model of it."""
    try:
        return spec.compile()
    except ValueError as error:
        raise RobotDescriptionError(f"MuJoCo makes no model of the URDF: {_in_a_line(error)}") from error


def _in_a_line(error: ValueError) -> str:
    return " ".join(str(error).split())
