"""Table scenes as a VGA camera sees them, recorded to a folder, for the demo and the bench to play."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
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


def record_demo_scenes(folder: Path, count: int, progress: Callable[[int], None] = lambda scenes: None) -> None:
    """Write `count` scenes of 10 views at 640x480 to a folder. Those that are there already are not made again."""
    from datasets.recorded import write_dataset_index

    folder.mkdir(parents=True, exist_ok=True)
    with multiprocessing.get_context("spawn").Pool(min(count, os.cpu_count() or 1), initializer=_start_worker) as pool:
        names = []
        for name in pool.imap(_record, [(folder, index) for index in range(count)]):
            names.append(name)
            progress(1)
    write_dataset_index(folder, "demo", "table_cubes", dict.fromkeys(names, VIEWS), {"demo": names})


def _start_worker() -> None:
    # MuJoCo's images are square here: as wide as the camera's, and with so much more of the scene above and below.
    global _renderer
    _renderer = TableRenderer(WIDTH, 2 * np.arctan(np.tan(FIELD_OF_VIEW / 2) * WIDTH / HEIGHT))


def _record(job: tuple[Path, int]) -> str:
    from datasets.recorded import write_scene

    folder, index = job
    path = folder / f"scene_{index:06d}.h5"
    if not path.exists():
        write_scene(path, _cropped(make_scene(_renderer, SEED, index, VIEWS)))
    return path.name


def _cropped(scene: Scene) -> Scene:
    """The middle HEIGHT rows of a scene's images, masks and depth; the optical axis moves with them."""
    top = (WIDTH - HEIGHT) // 2
    rows = np.s_[:, top : top + HEIGHT]
    shift = np.array([[0, 0, 0], [0, 0, top], [0, 0, 0]])
    return replace(scene, images=scene.images[rows], masks=scene.masks[rows], depth=scene.depth[rows], K=scene.K - shift)
