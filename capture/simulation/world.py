"""The simulated rig as a MuJoCo model: table, cubes, calibration board, and the arm of the URDF with a camera on it."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.transform import Rotation

from capture.calibration.board import BOARD
from capture.simulation.truth import T_TOOL_CAMERA, T_WORLD_BASE, T_WORLD_BOARD, URDF, VERTICAL_FOV
from datasets.synthesis.rendering import import_mujoco
from datasets.synthesis.table import table_spec

if TYPE_CHECKING:
    import mujoco

ARM = "arm/"  # begins the names of the arm's bodies and joints
BOARD_THICKNESS = 0.003  # metres
BOARD_MARGIN = 0.012  # metres of white around the pattern
_PIXELS_PER_MM = 4  # of the board's texture: about three of a picture's at working distance


def rig_model(width: int, height: int) -> mujoco.MjModel:
    """The compiled model for pictures of width x height pixels; its camera is called `wrist`."""
    mujoco = import_mujoco()
    spec = table_spec(width, height)
    extent = spec.copy().compile().stat.extent  # MuJoCo measures shadows and clipping in it: the arm must not change it
    # Shadows of what is within 90 cm of the middle, drawn 2 mm fine. Beyond, the table would get dotted ones; drawn
    # finer, they would take longer than all else in a picture.
    spec.visual.map.shadowclip = 0.9 / extent
    spec.visual.quality.shadowsize = 768
    _give_the_table_a_body(mujoco, spec)
    _add_board(mujoco, spec)
    _add_arm(mujoco, spec)
    spec.stat.extent, spec.stat.center = extent, np.zeros(3)
    return spec.compile()


def _give_the_table_a_body(mujoco: ModuleType, spec: mujoco.MjSpec) -> None:
    """A box in place of the plane, which casts dotted shadows on itself."""
    table = spec.geom("table")
    table.type, table.size, table.pos = mujoco.mjtGeom.mjGEOM_BOX, [3, 3, 0.05], [0, 0, -0.05]


def _add_board(mujoco: ModuleType, spec: mujoco.MjSpec) -> None:
    margin = round(BOARD_MARGIN * 1000 * _PIXELS_PER_MM)
    pattern = np.pad(BOARD.image(_PIXELS_PER_MM), ((margin, margin), (margin, margin), (0, 0)), constant_values=255)
    texture = spec.add_texture(name="board", type=mujoco.mjtTexture.mjTEXTURE_2D, nchannel=3)
    texture.height, texture.width = pattern.shape[:2]
    texture.data = pattern.tobytes()
    material = spec.add_material(name="board", texrepeat=[1, 1], texuniform=False)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "board"
    half = [BOARD.width / 2 + BOARD_MARGIN, BOARD.height / 2 + BOARD_MARGIN, BOARD_THICKNESS / 2]
    # The body's frame is in the middle of the pattern, z out of the paper
    middle = T_WORLD_BOARD @ np.array([BOARD.width / 2, BOARD.height / 2, 0, 1])
    turn = Rotation.from_matrix(T_WORLD_BOARD[:3, :3]) * Rotation.from_euler("x", np.pi)
    board = spec.worldbody.add_body(name="board", pos=middle[:3], quat=turn.as_quat(scalar_first=True))
    board.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, size=half, pos=[0, 0, -half[2]], material="board")


def _add_arm(mujoco: ModuleType, spec: mujoco.MjSpec) -> None:
    arm = mujoco.MjSpec.from_file(str(URDF))
    arm.compiler.fusestatic = False  # tool0 is fixed to the last link, and a frame that we need
    spec.attach(arm, prefix=ARM, frame=spec.worldbody.add_frame(pos=T_WORLD_BASE[:3, 3]))
    turn = Rotation.from_matrix(T_TOOL_CAMERA[:3, :3]) * Rotation.from_euler("x", np.pi)  # MuJoCo's looks along -z
    spec.body(f"{ARM}tool0").add_camera(
        name="wrist",
        pos=T_TOOL_CAMERA[:3, 3],
        quat=turn.as_quat(scalar_first=True),
        fovy=np.rad2deg(VERTICAL_FOV),
    )
