"""MuJoCo, made ready to render without a screen."""

from __future__ import annotations

import os
from types import ModuleType


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
