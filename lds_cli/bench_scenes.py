"""Table scenes as a VGA camera sees them, rendered to a folder, for the benchmarks to play and to store."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from datasets.scene import Scene
from datasets.scene_names import scene_name
from datasets.synthesis.table_cubes import TableRenderer, make_scene
from lds_cli.demo import SEED

WIDTH, HEIGHT = 640, 480
VIEWS = 10
FIELD_OF_VIEW = np.deg2rad(42)  # vertical, of the camera that the weights are trained for


def render_scenes(folder: Path, count: int) -> None:
    """Write `count` scenes of 10 views at 640x480 to a folder. Those that are there already are not made again."""
    from datasets.recorded import write_dataset_index

    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{scene_name(index)}.h5" for index in range(count)]
    missing = [(path, index) for index, path in enumerate(paths) if not path.exists()]
    if missing:
        workers, spawn = min(len(missing), os.cpu_count() or 1), multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, spawn) as pool:
            list(pool.map(_record, missing))  # which raises what a worker raised
    names = [path.name for path in paths]
    write_dataset_index(folder, "bench", "table_cubes", dict.fromkeys(names, VIEWS), {"bench": names})


@cache
def _renderer() -> TableRenderer:
    """This process's own. MuJoCo's images are square here: with more of the scene above and below than the camera's."""
    return TableRenderer(WIDTH, 2 * np.arctan(np.tan(FIELD_OF_VIEW / 2) * WIDTH / HEIGHT))


def _record(job: tuple[Path, int]) -> None:
    from datasets.recorded import write_scene

    path, index = job
    write_scene(path, _cropped(make_scene(_renderer(), SEED, index, VIEWS)))


def _cropped(scene: Scene) -> Scene:
    """The middle HEIGHT rows of a scene's images, masks and depth; the optical axis moves with them."""
    top = (WIDTH - HEIGHT) // 2
    rows = np.s_[:, top : top + HEIGHT]
    shift = np.array([[0, 0, 0], [0, 0, top], [0, 0, 0]])
    depth = None if scene.depth is None else scene.depth[rows]
    return replace(
        scene, images=scene.images[rows], masks=scene.known_masks[rows], depth=depth, K=scene.known_K - shift
    )
