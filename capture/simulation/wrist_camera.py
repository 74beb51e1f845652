"""The simulated rig's eye: pictures, instance masks and depth of what stands on the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from capture.simulation.world import rig_model
from datasets.synthesis.rendering import import_mujoco, render_depth, render_geoms
from datasets.synthesis.table import Cube, Table

if TYPE_CHECKING:
    import mujoco

_ROOM = 262  # a seed of `Table.light`: mild light nearly from above, a neutral table; the same for all scenes
_EXPOSURE = 0.9  # leaves the white table some way from clipping
_HIDDEN = -10.0  # metres: under the table, out of every view
# Metres from the table's middle: over the cubes and under the arm, which thus casts no shadow. In a room's light, the
# shadow of what is half a metre above the table is too soft to see.
_KEY_LIGHT_DISTANCE = 0.3
_PATTERN_EXTRA = 64  # pixels that the noise pattern is larger than a picture


@dataclass(frozen=True, eq=False)
class View:
    """All that a picture shows: the arm's joint angles [J] (rad), and what is on the table."""

    joints: np.ndarray
    cubes: tuple[Cube, ...]
    board: bool = False

    def looks_like(self, other: View) -> bool:
        """Whether a picture shows no difference: camera within about 0.01 mm, the same things on the table."""
        same_things = self.cubes is other.cubes and self.board == other.board
        return same_things and np.abs(self.joints - other.joints).max() < 1e-5


class WristCamera:
    """Renders views. One thread uses it: that which made it.

    What it rendered last it keeps: from an arm at rest, a new picture is only new noise.

    Args:
        noise: standard deviation of a pixel's noise, as a share of white.
    """

    def __init__(self, width: int, height: int, noise: float) -> None:
        mujoco = import_mujoco()
        self._mujoco = mujoco
        self._model = rig_model(width, height)
        self._data = mujoco.MjData(self._model)
        self._table = Table(self._model, self._data)
        self._table.light(np.random.default_rng(_ROOM))
        key = self._model.light("key").id
        self._model.light_pos[key] = -_KEY_LIGHT_DISTANCE * self._model.light_dir[key]
        self._size = height, width
        self._colour = self._renderer(samples=4)
        self._exact = self._renderer(samples=0)
        self._board, self._board_place = self._model.body("board").id, self._model.body("board").pos.copy()
        self._view: View | None = None
        self._rendered: dict[str, np.ndarray] = {}
        self._rng = np.random.default_rng(0)
        pattern = self._rng.normal(0, 255 * noise, (height + _PATTERN_EXTRA, width + _PATTERN_EXTRA, 3))
        self._pattern = np.rint(pattern).astype(np.int16)

    def close(self) -> None:
        self._colour.close()
        self._exact.close()

    def image(self, view: View, gain: float = 1.0, blur: float = 0.0) -> np.ndarray:
        """What the camera sees, uint8 [H,W,3] RGB.

        Args:
            gain: how many times as bright as usual.
            blur: standard deviation of the lens's blur, pixels.
        """
        image = self._render("image", view)
        if blur:
            image = cv2.GaussianBlur(image, (0, 0), blur)
        image = cv2.add(image, self._noise(), dtype=cv2.CV_8U)
        return cv2.convertScaleAbs(image, alpha=_EXPOSURE * gain)  # clips, as a sensor does

    def truth(self, view: View) -> np.ndarray:
        """Which cube each pixel shows, uint8 [H,W]: i + 1 for cube i of the view, 0 for all else."""
        return self._render("truth", view)

    def depth(self, view: View) -> np.ndarray:
        """How far along the optical axis each pixel's surface is, float32 [H,W], metres."""
        return self._render("depth", view)

    def _renderer(self, samples: int) -> mujoco.Renderer:
        """A renderer keeps the anti-aliasing that the model asks for when it is made."""
        self._model.vis.quality.offsamples = samples
        return self._mujoco.Renderer(self._model, *self._size)

    def _render(self, kind: str, view: View) -> np.ndarray:
        if self._view is None or not view.looks_like(self._view):
            self._pose(view)
            self._view, self._rendered = view, {}
        if kind not in self._rendered:
            self._rendered[kind] = {"image": self._see, "truth": self._label, "depth": self._measure}[kind]()
        return self._rendered[kind]

    def _see(self) -> np.ndarray:
        self._colour.update_scene(self._data, camera="wrist")
        return self._colour.render()

    def _label(self) -> np.ndarray:
        return self._table.labels(render_geoms(self._exact, self._data, "wrist"))

    def _measure(self) -> np.ndarray:
        return render_depth(self._exact, self._data, "wrist")

    def _pose(self, view: View) -> None:
        self._table.arrange([] if view.board else list(view.cubes))
        self._model.body_pos[self._board] = self._board_place if view.board else [0, 0, _HIDDEN]
        self._data.qpos[:] = view.joints
        self._mujoco.mj_kinematics(self._model, self._data)
        self._mujoco.mj_camlight(self._model, self._data)

    def _noise(self) -> np.ndarray:
        """A random part of the pattern: drawing new noise for every picture would take longer than rendering it."""
        row, column = self._rng.integers(0, _PATTERN_EXTRA, 2)
        height, width = self._size
        return self._pattern[row : row + height, column : column + width]
