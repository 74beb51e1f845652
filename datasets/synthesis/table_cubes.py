"""`table_cubes`: coloured cubes on a white table seen by a camera at wrist distances, rendered by MuJoCo.

The stand-in for the LDS paper's real-image set (appendix C.3: 2-4 cubes of different colours on a white table top, a
webcam on a moving arm, 20-30 views a scene).
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from datasets.atomic import whole_file
from datasets.camera import look_at, pinhole
from datasets.json_file import read_json
from datasets.scene import DatasetError, Scene
from datasets.synthesis.rendering import import_mujoco
from datasets.synthesis.table import Cube, Table, random_cubes, table_spec

SUPERSAMPLING = 2


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
        spec = table_spec(size * SUPERSAMPLING, size * SUPERSAMPLING)
        spec.worldbody.add_camera(name="camera", fovy=np.rad2deg(vertical_fov))
        self.model = spec.compile()
        self.data = mujoco.MjData(self.model)
        self._table = Table(self.model, self.data)
        self._colour = mujoco.Renderer(self.model, size * SUPERSAMPLING, size * SUPERSAMPLING)
        self._exact = mujoco.Renderer(self.model, size, size)

    def __enter__(self) -> TableRenderer:
        return self

    def __exit__(self, *_: object) -> None:
        self._colour.close()
        self._exact.close()

    def render(self, name: str, cubes: list[Cube], poses: np.ndarray, rng: np.random.Generator) -> Scene:
        """Render cubes from poses [V,4,4] under a random light, table tone and camera noise."""
        self._table.arrange(cubes)
        self._table.light(rng)
        gain = rng.uniform(0.85, 1.1) * rng.uniform(0.96, 1.04, 3)  # exposure and white balance
        noise = rng.uniform(0, 0.015)
        views = [self._view(pose, gain, noise, rng) for pose in poses]
        images, masks, depth = (np.stack(part) for part in zip(*views, strict=True))
        objects = [cube.description() for cube in cubes]
        K = np.broadcast_to(pinhole(self.size, self.size, self.vertical_fov), (len(poses), 3, 3)).copy()
        return Scene(name, images, poses, K, masks=masks, depth=depth, objects=objects, meta={"kind": "table_cubes"})

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
        mask = self._table.labels(self._exact.render()[..., 0])
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
