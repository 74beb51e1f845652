"""`table_cubes`: coloured cubes on a white table seen by a camera at wrist distances, rendered by MuJoCo.

The stand-in for the LDS paper's real-image set (appendix C.3: 2-4 cubes of different colours on a white table top, a
webcam on a moving arm, 20-30 views a scene).
"""

from __future__ import annotations

import colorsys
import json
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from datasets.atomic import whole_file
from datasets.camera import look_at, pinhole
from datasets.json_file import read_json
from datasets.scene import DatasetError, Scene
from datasets.synthesis.rendering import import_mujoco

MAX_CUBES = 4
SUPERSAMPLING = 2
# Names and hues (degrees) of the cubes' paints. Cubes of one scene have different ones, as in the paper.
HUES = {"red": 0, "orange": 28, "yellow": 54, "green": 125, "cyan": 185, "blue": 225, "purple": 275, "pink": 325}

_MODEL = """
<mujoco>
  <visual>
    <global offwidth="{offscreen}" offheight="{offscreen}"/>
    <quality shadowsize="1024" offsamples="0"/>
    <map znear="0.02" zfar="20" shadowclip="1.2"/>
    <headlight ambient="0.3 0.3 0.3" diffuse="0.1 0.1 0.1" specular="0 0 0"/>
  </visual>
  <worldbody>
    <light name="key" pos="0 0 1.5" dir="0 0 -1" directional="true" castshadow="true" specular="0 0 0"/>
    <light name="fill" pos="0 0 1.5" dir="0 0 -1" directional="true" castshadow="false" specular="0 0 0"/>
    <geom name="table" type="plane" size="3 3 0.1"/>
    {cubes}
    <camera name="camera" mode="fixed"/>
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


def random_poses(rng: np.random.Generator, views: int) -> np.ndarray:
    """Camera poses [V,4,4] on the upper half of a sphere, going once around the table, each looking near its middle."""
    start = rng.uniform(0, 2 * np.pi)
    poses = []
    for view in range(views):
        azimuth = start + 2 * np.pi * (view + rng.uniform(-0.3, 0.3)) / views
        elevation, distance = np.deg2rad(rng.uniform(35, 70)), rng.uniform(0.42, 0.58)
        direction = [np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)]
        target = np.append(rng.normal(0, 0.012, 2), 0.02)
        poses.append(look_at(target + distance * np.array(direction), target, roll=rng.normal(0, 0.05)))
    return np.stack(poses)


class TableRenderer:
    """One MuJoCo model reused for every scene: only sizes, places, colours and lights change. A context manager."""

    def __init__(self, size: int, vertical_fov: float = np.deg2rad(42)) -> None:
        mujoco = import_mujoco()
        self._mujoco = mujoco
        self.size, self.vertical_fov = size, vertical_fov
        cubes = "".join(_CUBE.format(i=i) for i in range(MAX_CUBES))
        self.model = mujoco.MjModel.from_xml_string(_MODEL.format(offscreen=size * SUPERSAMPLING, cubes=cubes))
        self.model.cam_fovy[0] = np.rad2deg(vertical_fov)
        self.data = mujoco.MjData(self.model)
        self._colour = mujoco.Renderer(self.model, size * SUPERSAMPLING, size * SUPERSAMPLING)
        self._exact = mujoco.Renderer(self.model, size, size)

    def __enter__(self) -> TableRenderer:
        return self

    def __exit__(self, *_: object) -> None:
        self._colour.close()
        self._exact.close()

    def render(self, name: str, cubes: list[Cube], poses: np.ndarray, rng: np.random.Generator) -> Scene:
        """Render cubes from poses [V,4,4] under a random light, table tone and camera noise."""
        self._arrange(cubes)
        self._light(rng)
        gain = rng.uniform(0.85, 1.1) * rng.uniform(0.96, 1.04, 3)  # exposure and white balance
        noise = rng.uniform(0, 0.015)
        views = [self._view(pose, gain, noise, rng) for pose in poses]
        images, masks, depth = (np.stack(part) for part in zip(*views, strict=True))
        objects = [
            {"shape": "cube", "color": c.colour, "size": c.edge, "position": c.position.tolist(), "yaw": c.yaw}
            for c in cubes
        ]
        K = np.broadcast_to(pinhole(self.size, self.size, self.vertical_fov), (len(poses), 3, 3)).copy()
        return Scene(name, images, poses, K, masks=masks, depth=depth, objects=objects, meta={"kind": "table_cubes"})

    def _arrange(self, cubes: list[Cube]) -> None:
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

    def _light(self, rng: np.random.Generator) -> None:
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

    def _view(self, pose: np.ndarray, gain: np.ndarray, noise: float, rng: np.random.Generator) -> tuple:
        self._aim(pose)
        self._colour.update_scene(self.data, camera="camera")
        fine = self._colour.render().astype(np.float32)
        size, factor = self.size, SUPERSAMPLING
        image = fine.reshape(size, factor, size, factor, 3).mean((1, 3))
        image = image * gain + rng.normal(0, 255 * noise, image.shape)
        image = np.clip(np.rint(image), 0, 255).astype(np.uint8)

        self._exact.enable_segmentation_rendering()
        self._exact.update_scene(self.data, camera="camera")
        geoms = self._exact.render()[..., 0]
        first_cube = self.model.geom("cube0").id
        mask = np.where(geoms >= first_cube, geoms - first_cube + 1, 0).astype(np.uint8)
        self._exact.disable_segmentation_rendering()
        self._exact.enable_depth_rendering()
        depth = self._exact.render().astype(np.float32)
        self._exact.disable_depth_rendering()
        return image, mask, depth

    def _aim(self, pose: np.ndarray) -> None:
        self.model.cam_pos[0] = pose[:3, 3]
        rotation = pose[:3, :3] * np.array([1, -1, -1])  # MuJoCo's camera: y up, looking along -z
        self._mujoco.mju_mat2Quat(self.model.cam_quat[0], rotation.ravel())
        self._mujoco.mj_forward(self.model, self.data)


def make_scene(renderer: TableRenderer, seed: int, index: int, views: int) -> Scene:
    """Scene `index` of the dataset with this seed: the same whatever was rendered before it, in whichever process."""
    rng = np.random.default_rng([seed, index])
    cubes = random_cubes(rng)
    poses = random_poses(rng, views)
    scene = renderer.render(f"scene_{index:06d}", cubes, poses, rng)
    scene.meta.update(seed=seed, index=index)
    return scene


_renderer: TableRenderer | None = None


def _start_worker(size: int) -> None:
    global _renderer
    _renderer = TableRenderer(size)


def _write(out: Path, seed: int, index: int, views: int) -> str:
    from datasets.recorded import write_scene

    path = out / f"scene_{index:06d}.h5"
    if not path.exists():  # a scene file is whole once it has its name: an interrupted synthesis goes on from here
        write_scene(path, make_scene(_renderer, seed, index, views))
    return path.name


def synthesise(
    out: Path, scenes: int, views: int, seed: int, workers: int, size: int, progress: Callable[[int], None]
) -> None:
    """Write `scenes` scenes of `views` views at size x size pixels to the folder `out`, one HDF5 file a scene.

    The last tenth of the scenes makes the test split. Deterministic in `seed`, whatever the number of workers. An
    interrupted synthesis goes on when it is called again with the same settings.

    Args:
        progress: called with the number of scenes that have been finished since its last call.

    Raises:
        DatasetError: the folder holds scenes that were synthesised with other settings, or cannot be written.
    """
    from datasets.recorded import write_dataset_index

    _claim(out, {"views": views, "seed": seed, "size": size})
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _start_worker, (size,)) as pool:
        names = []
        for name in pool.map(partial(_write, out, seed, views=views), range(scenes)):
            names.append(name)
            progress(1)
    tests = max(1, scenes // 10) if scenes > 1 else 0
    splits = {"train": names[: scenes - tests], "test": names[scenes - tests :]}
    write_dataset_index(out, out.name, "table_cubes", dict.fromkeys(names, views), splits)


def _claim(out: Path, settings: dict[str, int]) -> None:
    """Note the settings in the folder, so that scenes of different ones are never mixed."""
    note = out / "synthesis.json"
    if note.exists() and (earlier := read_json(note, "choose another folder")) != settings:
        raise DatasetError(f"{out}: holds scenes of {earlier}, not {settings}; choose another folder")
    with whole_file(note) as temporary:
        temporary.write_text(json.dumps(settings))
