"""Table scenes as a VGA camera sees them, rendered to a folder, for the benchmarks to play and to store."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from datasets.scene import Scene
from datasets.synthesis.table_cubes import TableRenderer, make_scene

WIDTH, HEIGHT = 640, 480
VIEWS = 10
SEED = 2026  # no weights are trained on scenes of this seed
FIELD_OF_VIEW = np.deg2rad(42)  # vertical, of the camera that the weights are trained for

_renderer: TableRenderer | None = None


def render_scenes(folder: Path, count: int, progress: Callable[[int], None] = lambda scenes: None) -> None:
    """Write `count` scenes of 10 views at 640x480 to a folder. Those that are there already are not made again."""
    from datasets.recorded import write_dataset_index

    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"scene_{index:06d}.h5" for index in range(count)]
    missing = [(path, index) for index, path in enumerate(paths) if not path.exists()]
    progress(count - len(missing))
    if missing:
        workers, spawn = min(len(missing), os.cpu_count() or 1), multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, spawn, initializer=_start_worker) as pool:
            for _ in pool.map(_record, missing):
                progress(1)
    names = [path.name for path in paths]
    write_dataset_index(folder, "bench", "table_cubes", dict.fromkeys(names, VIEWS), {"bench": names})


def _start_worker() -> None:
    # MuJoCo's images are square here: as wide as the camera's, and with so much more of the scene above and below.
    global _renderer
    _renderer = TableRenderer(WIDTH, 2 * np.arctan(np.tan(FIELD_OF_VIEW / 2) * WIDTH / HEIGHT))


def _record(job: tuple[Path, int]) -> None:
    from datasets.recorded import write_scene

    path, index = job
    write_scene(path, _cropped(make_scene(_renderer, SEED, index, VIEWS)))


def _cropped(scene: Scene) -> Scene:
    """The middle HEIGHT rows of a scene's images, masks and depth; the optical axis moves with them."""
    top = (WIDTH - HEIGHT) // 2
    rows = np.s_[:, top : top + HEIGHT]
    shift = np.array([[0, 0, 0], [0, 0, top], [0, 0, 0]])
    return replace(
        scene, images=scene.images[rows], masks=scene.masks[rows], depth=scene.depth[rows], K=scene.K - shift
    )
