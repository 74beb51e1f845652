"""`table_cubes`: coloured cubes on a white table seen by a camera at wrist distances, rendered by MuJoCo.

The stand-in for the LDS paper's real-image set (appendix C.3: 2-4 cubes of different colours on a white table top, a
webcam on a moving arm, 20-30 views a scene).
"""

from __future__ import annotations

import numpy as np

from datasets.camera import look_at, pinhole
from datasets.scene import Scene
from datasets.scene_names import scene_name
from datasets.synthesis.rendering import SUPERSAMPLING, ViewRenderer
from datasets.synthesis.synthesiser import Synthesiser
from datasets.synthesis.table import Cube, Table, random_cubes, table_spec


def random_poses(rng: np.random.Generator, views: int) -> np.ndarray:
    """Camera poses [V,4,4] on the upper half of a sphere, going once around the table, each looking near its middle.

    Rolled about their axis by any angle, as an arm does it that may choose.
    """
    start = rng.uniform(0, 2 * np.pi)
    return np.stack(
        [_pose(rng, start + 2 * np.pi * (view + rng.uniform(-0.3, 0.3)) / views, share=1.0) for view in range(views)]
    )


def near_poses(rng: np.random.Generator, views: int) -> np.ndarray:
    """Camera poses [V,4,4] that keep within a random share of that range, around one and the same view."""
    share = rng.uniform()
    return np.stack([_pose(rng, share * rng.uniform(-np.pi, np.pi), share) for _ in range(views)])


def _pose(rng: np.random.Generator, azimuth: float, share: float) -> np.ndarray:
    """A pose at this azimuth; all else of it varies by a share of what it may."""
    elevation, distance = np.deg2rad(52.5 + share * rng.uniform(-17.5, 17.5)), 0.5 + share * rng.uniform(-0.08, 0.08)
    direction = [np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)]
    target = np.append(share * rng.normal(0, 0.012, 2), 0.02)
    roll = share * rng.uniform(-np.pi, np.pi)
    return look_at(target + distance * np.array(direction), target, roll)


class TableRenderer(ViewRenderer):
    """One MuJoCo model reused for every scene: only sizes, places, colours and lights change. A context manager."""

    def __init__(self, size: int, vertical_fov: float = np.deg2rad(42)) -> None:
        super().__init__(table_spec(size * SUPERSAMPLING, size * SUPERSAMPLING), size, vertical_fov)
        self.vertical_fov = vertical_fov
        self._table = Table(self.model, self.data)

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
        self.aim(pose)
        image = self.colour()
        image = image * gain + rng.normal(0, 255 * noise, image.shape)
        image = np.clip(np.rint(image), 0, 255).astype(np.uint8)
        return image, self._table.labels(self.geoms()), self.depth()


def make_scene(renderer: TableRenderer, seed: int, index: int, views: int, near_views: bool = False) -> Scene:
    """Scene `index` of the dataset with this seed: the same whatever was rendered before it, in whichever process."""
    rng = np.random.default_rng([seed, index])
    cubes = random_cubes(rng)
    poses = (near_poses if near_views else random_poses)(rng, views)
    scene = renderer.render(scene_name(index), cubes, poses, rng)
    scene.meta.update(seed=seed, index=index)
    return scene


TABLE_CUBES = Synthesiser("table_cubes", {"mujoco": TableRenderer}, make_scene)
