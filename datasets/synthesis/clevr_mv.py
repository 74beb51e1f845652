"""`clevr_mv`: scenes after the official CLE-MV, by MuJoCo or path-traced; `dolphin` has other shapes.

10 views on a circle around the origin, cameras at constant height that look at the origin, as in Nanbo Li et al.
(MulMON, NeurIPS 2020).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from datasets.camera import look_at, pinhole
from datasets.scene import Scene
from datasets.synthesis.clevr_objects import ClevrObject, Family, random_objects
from datasets.synthesis.clevr_world import ClevrWorld, clevr_spec
from datasets.synthesis.path_tracing import PathTracer
from datasets.synthesis.rendering import SUPERSAMPLING, ViewRenderer
from datasets.synthesis.synthesiser import Synthesiser

# Of the official cameras: the circle's radius and height in metres, the first one's azimuth, their field of view.
CIRCLE_RADIUS, CAMERA_HEIGHT = 9.915477, 3.507568
FIRST_AZIMUTH = -0.715919
FIELD_OF_VIEW = 0.857556
MIN_VISIBLE = 48  # pixels of every object in the first view, of 64 x 64
_LIGHTINGS = 3  # pictures under jittered lamps that are averaged
_GRAIN = (5.5, 2.8)  # noise of the official pictures (Cycles, 96 samples), grey levels in the top and the bottom row


def circle_poses(views: int) -> np.ndarray:
    """Camera poses [V,4,4], evenly around the circle."""
    return _on_circle(2 * np.pi * np.arange(views) / views)


def arc_poses(rng: np.random.Generator, views: int) -> np.ndarray:
    """Camera poses [V,4,4] on a random part of the circle, around its first camera."""
    return _on_circle(rng.uniform() * rng.uniform(-np.pi, np.pi, views))


def _on_circle(turns: np.ndarray) -> np.ndarray:
    """Camera poses [V,4,4] so many radians around from the first one."""
    azimuths = FIRST_AZIMUTH + turns
    places = [[CIRCLE_RADIUS * np.cos(a), CIRCLE_RADIUS * np.sin(a), CAMERA_HEIGHT] for a in azimuths]
    return np.stack([look_at(np.array(place), np.zeros(3)) for place in places])


class ClevrRenderer(ViewRenderer):
    """One MuJoCo model of a family of objects, reused for every scene. A context manager.

    Args:
        path_traced: the pictures; masks and depth are MuJoCo's all the same.
    """

    def __init__(self, size: int, family: Family, path_traced: bool = False) -> None:
        super().__init__(clevr_spec(family, size * SUPERSAMPLING), size, FIELD_OF_VIEW)
        self.family = family
        self._world = ClevrWorld(self.model, self.data)
        self._tracer = PathTracer(family, size, FIELD_OF_VIEW) if path_traced else None

    def visible_pixels(self, objects: list[ClevrObject], pose: np.ndarray) -> np.ndarray:
        """int [N]: how many pixels show each object from a pose."""
        self._world.arrange(objects)
        self.aim(pose)
        return np.bincount(self._world.labels(self.geoms()).ravel(), minlength=len(objects) + 1)[1:]

    def render(self, name: str, objects: list[ClevrObject], poses: np.ndarray, rng: np.random.Generator) -> Scene:
        """Render objects from poses [V,4,4], with exact masks and depth."""
        self._world.arrange(objects)
        if self._tracer:
            self._tracer.arrange(objects)
        exposure = rng.normal(1, 0.007)
        views = [self._view(pose, len(objects), exposure, rng) for pose in poses]
        images, masks, amodal, depth = (np.stack(part) for part in zip(*views, strict=True))
        K = np.broadcast_to(pinhole(self.size, self.size, FIELD_OF_VIEW), (len(poses), 3, 3)).copy()
        described = [each.description() for each in objects]
        meta = {"kind": self.family.kind}
        return Scene(
            name, images, poses, K, masks=masks, amodal_masks=amodal, depth=depth, objects=described, meta=meta
        )

    def _view(self, pose: np.ndarray, count: int, exposure: float, rng: np.random.Generator) -> tuple:
        lit = self._tracer.colour(pose, int(rng.integers(2**31))) if self._tracer else self._softly_lit(pose, rng)
        self.aim(pose)
        grain = np.linspace(*_GRAIN, self.size)[:, None, None] * rng.normal(size=(self.size, self.size, 1))
        image = np.clip(np.rint(lit * exposure + grain), 0, 255).astype(np.uint8)
        visible, depth = self._world.labels(self.geoms()), self.depth()
        silhouettes = np.zeros((count, self.size, self.size), bool)
        for i in range(count):
            self._world.show_only(i)
            silhouettes[i] = self._world.labels(self.geoms()) == i + 1
        self._world.show_all()
        return image, visible, silhouettes, depth

    def _softly_lit(self, pose: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """float [H,W,3] RGB, 0-255: MuJoCo's picture, the mean of several under jittered lamps."""
        image = np.zeros((self.size, self.size, 3))
        for _ in range(_LIGHTINGS):
            self._world.move_lamps(rng)
            self.aim(pose)
            image += self.colour() / _LIGHTINGS
        return image


def clevr_renderers(family: Family) -> dict[str, Callable[[int], ClevrRenderer]]:
    """What pictures of a family of objects can be made by."""
    traced = partial(ClevrRenderer, family=family, path_traced=True)
    return {"mujoco": partial(ClevrRenderer, family=family), "mitsuba": traced}


def make_scene(renderer: ClevrRenderer, seed: int, index: int, views: int, near_views: bool = False) -> Scene:
    """Scene `index` of the dataset with this seed: the same whatever was rendered before it, in whichever process.

    Scenes in whose first view an object shows fewer than `MIN_VISIBLE` pixels are drawn anew, as CLEVR's are.
    """
    rng = np.random.default_rng([seed, index])
    poses = arc_poses(rng, views) if near_views else circle_poses(views)
    least = MIN_VISIBLE * (renderer.size / 64) ** 2
    objects = random_objects(rng, renderer.family)
    while renderer.visible_pixels(objects, poses[0]).min() < least:
        objects = random_objects(rng, renderer.family)
    scene = renderer.render(f"CLEVR_new_{index:06d}", objects, poses, rng)
    scene.meta.update(seed=seed, index=index)
    return scene


_FAMILY = Family("clevr_mv", {"large": 0.9, "small": 0.7}, {"cube": "box", "sphere": "sphere", "cylinder": "cylinder"})
CLEVR_MV = Synthesiser("clevr_mv", clevr_renderers(_FAMILY), make_scene, ("clevr", "h5"))
