"""MuJoCo, made ready to render without a screen, and pictures of a MuJoCo model from given poses."""

from __future__ import annotations

import os
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import mujoco

SUPERSAMPLING = 2


def import_mujoco() -> ModuleType:
    """MuJoCo with a renderer that needs no display: EGL, or OSMesa where there is no EGL. $MUJOCO_GL goes first.

    Raises:
        RuntimeError: neither is there; says what to install.
    """
    if "MUJOCO_GL" not in os.environ:  # MuJoCo reads it when it is imported, and would want a display without it
        os.environ["MUJOCO_GL"] = _find_backend()
    import mujoco

    return mujoco


def _find_backend() -> str:
    from ctypes.util import find_library

    for backend, library in (("egl", "EGL"), ("osmesa", "OSMesa")):
        if find_library(library):
            return backend
    raise RuntimeError("no renderer for MuJoCo: install libegl1 and libgl1-mesa-dri, or libosmesa6 (./run setup does)")


class ViewRenderer:
    """Square pictures of one model from any pose, at `size` x `size` pixels. A context manager.

    Whoever changes the model or its data between pictures calls `aim` after it.
    """

    def __init__(self, spec: mujoco.MjSpec, size: int, vertical_fov: float) -> None:
        """Compile a model without cameras, whose offscreen buffer holds size * SUPERSAMPLING pixels each way.

        Args:
            vertical_fov: radians.
        """
        self._mujoco = import_mujoco()
        self.size = size
        spec.worldbody.add_camera(name="camera", fovy=np.rad2deg(vertical_fov))
        self.model = spec.compile()
        self.data = self._mujoco.MjData(self.model)
        self._colour = self._mujoco.Renderer(self.model, size * SUPERSAMPLING, size * SUPERSAMPLING)
        self._exact = self._mujoco.Renderer(self.model, size, size)

    def __enter__(self) -> ViewRenderer:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._colour.close()
        self._exact.close()

    def aim(self, pose: np.ndarray) -> None:
        """Put the camera at T_world_camera [4,4]."""
        self.model.cam_pos[0] = pose[:3, 3]
        rotation = pose[:3, :3] * np.array([1, -1, -1])  # MuJoCo's camera: y up, looking along -z
        self._mujoco.mju_mat2Quat(self.model.cam_quat[0], rotation.ravel())
        self._mujoco.mj_forward(self.model, self.data)

    def colour(self) -> np.ndarray:
        """float32 [H,W,3] RGB, 0-255: the mean of SUPERSAMPLING^2 samples a pixel."""
        self._colour.update_scene(self.data, camera="camera")
        fine = self._colour.render().astype(np.float32)
        return fine.reshape(self.size, SUPERSAMPLING, self.size, SUPERSAMPLING, 3).mean((1, 3))

    def geoms(self) -> np.ndarray:
        """int [H,W]: the geom at each pixel's centre, -1 where there is none."""
        return render_geoms(self._exact, self.data, "camera")

    def depth(self) -> np.ndarray:
        """float32 [H,W], metres along the optical axis at each pixel's centre."""
        return render_depth(self._exact, self.data, "camera")


def render_geoms(renderer: mujoco.Renderer, data: mujoco.MjData, camera: str) -> np.ndarray:
    """int [H,W]: the geom at each pixel's centre, -1 where there is none; by a renderer without anti-aliasing."""
    renderer.enable_segmentation_rendering()
    renderer.update_scene(data, camera=camera)
    geoms = renderer.render()[..., 0]
    renderer.disable_segmentation_rendering()
    return geoms


def render_depth(renderer: mujoco.Renderer, data: mujoco.MjData, camera: str) -> np.ndarray:
    """float32 [H,W], metres along the optical axis at each pixel's centre; by a renderer without anti-aliasing."""
    renderer.enable_depth_rendering()
    renderer.update_scene(data, camera=camera)
    depth = renderer.render().astype(np.float32)
    renderer.disable_depth_rendering()
    return depth
