"""A white table with coloured cubes on it under soft light, as a MuJoCo model. Who renders it adds the camera."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from datasets.synthesis.rendering import import_mujoco

if TYPE_CHECKING:
    import mujoco

MAX_CUBES = 4
# Names and hues (degrees) of the cubes' paints. Cubes of one scene have different ones, as in the paper.
HUES = {"red": 0, "orange": 28, "yellow": 54, "green": 125, "cyan": 185, "blue": 225, "purple": 275, "pink": 325}

_MODEL = """
<mujoco>
  <visual>
    <global offwidth="{width}" offheight="{height}"/>
    <quality shadowsize="1024" offsamples="0"/>
    <map znear="0.02" zfar="20" shadowclip="1.2"/>
    <headlight ambient="0.3 0.3 0.3" diffuse="0.1 0.1 0.1" specular="0 0 0"/>
  </visual>
  <worldbody>
    <light name="key" pos="0 0 1.5" dir="0 0 -1" directional="true" castshadow="true" specular="0 0 0"/>
    <light name="fill" pos="0 0 1.5" dir="0 0 -1" directional="true" castshadow="false" specular="0 0 0"/>
    <geom name="table" type="plane" size="3 3 0.1"/>
    {cubes}
  </worldbody>
</mujoco>
"""
_CUBE = '<body name="cube{i}" mocap="true"><geom name="cube{i}" type="box" size="1 1 1"/></body>'


@dataclass(frozen=True)
class Cube:
    """One cube: colour name, RGB in [0,1], edge and centre in metres, yaw in radians."""

    colour: str
    rgb: np.ndarray
    edge: float
    position: np.ndarray
    yaw: float

    def description(self) -> dict[str, Any]:
        """As `Scene.objects` has it."""
        place = {"position": self.position.tolist(), "yaw": self.yaw}
        return {"shape": "cube", "color": self.colour, "size": self.edge, **place}


def random_cubes(rng: np.random.Generator) -> list[Cube]:
    """2-4 cubes of different colours in a disc of 13 cm about the origin, at least a little apart."""
    count = int(rng.integers(2, MAX_CUBES + 1))
    colours = rng.choice(list(HUES), size=count, replace=False)
    cubes: list[Cube] = []
    for colour in colours:
        edge = rng.uniform(0.045, 0.065)
        hue = (HUES[colour] + rng.uniform(-8, 8)) / 360 % 1
        rgb = np.array(colorsys.hsv_to_rgb(hue, rng.uniform(0.7, 1.0), rng.uniform(0.55, 0.95)))
        position = _free_place(rng, edge, cubes)
        cubes.append(Cube(str(colour), rgb, edge, position, rng.uniform(0, np.pi / 2)))
    return cubes


def _free_place(rng: np.random.Generator, edge: float, others: list[Cube]) -> np.ndarray:
    while True:
        radius, angle = 0.13 * np.sqrt(rng.uniform()), rng.uniform(0, 2 * np.pi)
        place = np.array([radius * np.cos(angle), radius * np.sin(angle), edge / 2])
        # Half diagonals keep rotated cubes apart, whatever their yaw.
        if all(np.linalg.norm(place[:2] - o.position[:2]) > (edge + o.edge) / 2**0.5 + 0.004 for o in others):
            return place


def table_spec(width: int, height: int) -> mujoco.MjSpec:
    """The model, not yet compiled, for pictures of up to width x height pixels."""
    cubes = "".join(_CUBE.format(i=i) for i in range(MAX_CUBES))
    return import_mujoco().MjSpec.from_string(_MODEL.format(width=width, height=height, cubes=cubes))


class Table:
    """What varies from scene to scene in a compiled `table_spec`."""

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        self.model, self.data = model, data

    def arrange(self, cubes: list[Cube]) -> None:
        """Put these cubes on the table, and no others."""
        model, data = self.model, self.data
        for i in range(MAX_CUBES):
            geom = model.geom(f"cube{i}").id
            if i < len(cubes):
                cube = cubes[i]
                model.geom_size[geom] = cube.edge / 2
                model.geom_rgba[geom] = [*cube.rgb, 1]
                data.mocap_pos[i] = cube.position
                data.mocap_quat[i] = [np.cos(cube.yaw / 2), 0, 0, np.sin(cube.yaw / 2)]
            else:
                data.mocap_pos[i] = [0, 0, -10]  # under the table, out of every view

    def light(self, rng: np.random.Generator) -> None:
        """A random light, and a random tone of the white table."""
        model = self.model
        tone = rng.uniform(0.8, 1.0) * rng.uniform(0.97, 1.0, 3)
        model.geom_rgba[model.geom("table").id] = [*tone, 1]
        ambient, key = rng.uniform(0.4, 0.6), rng.uniform(0.2, 0.4)  # a room: mostly light from all around
        model.vis.headlight.ambient[:] = ambient
        for name, strength, spread in (("key", key, 0.6), ("fill", 0.9 - ambient - key * 0.7, 0.9)):
            light = model.light(name).id
            direction = np.append(rng.uniform(-spread, spread, 2), -1)
            model.light_dir[light] = direction / np.linalg.norm(direction)
            model.light_pos[light] = -1.5 * model.light_dir[light]
            model.light_diffuse[light] = max(strength, 0.05)

    def labels(self, geoms: np.ndarray) -> np.ndarray:
        """Geom ids of a segmentation rendering, int [H,W], as instance ids uint8 [H,W]: cube i is i + 1, all else 0."""
        labels = np.zeros(self.model.ngeom + 1, np.uint8)  # the last one for -1, where no geom is
        first = self.model.geom("cube0").id
        labels[first : first + MAX_CUBES] = np.arange(1, MAX_CUBES + 1)
        return labels[geoms]
