"""Small valid datasets in every format, for what makes them hostile."""

from __future__ import annotations

import functools
import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
from hdf5_mutation import SECRET

from datasets.camera import look_at, pinhole
from datasets.loading import open_dataset
from datasets.recorded import write_scene
from datasets.scene import Scene

SIZE, VIEWS, OBJECTS = 8, 3, 2


def full_scene(seed: int = 0, fill: int | None = None) -> Scene:
    """A scene with everything that a recording can hold; `fill` is the value of all its pixels."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (VIEWS, SIZE, SIZE, 3), np.uint8)
    return Scene(
        name=f"scene_{seed:06d}",
        images=images if fill is None else np.full_like(images, fill),
        T_world_camera=np.stack([look_at(rng.normal(size=3) + [0, 0, 2], np.zeros(3)) for _ in range(VIEWS)]),
        K=np.broadcast_to(pinhole(SIZE, SIZE, 0.8), (VIEWS, 3, 3)).copy(),
        distortion=np.zeros(5),
        masks=rng.integers(0, OBJECTS + 1, (VIEWS, SIZE, SIZE), np.uint8),
        amodal_masks=rng.random((VIEWS, OBJECTS, SIZE, SIZE)) < 0.3,
        depth=rng.uniform(0.3, 1.5, (VIEWS, SIZE, SIZE)).astype(np.float32),
        stamps=np.arange(VIEWS) + 1.7e9,
        objects=[{"color": "red", "position": [0.1, 0.2, 0.3]}] * OBJECTS,
        meta={"kind": "drawn", "seed": 7, "view_numbers": [0, 1, 3], "skipped_views": [{"view": 2, "reason": "dark"}]},
    )


@functools.cache
def scene_file(seed: int = 0, fill: int | None = None) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "scene.h5"
        per_view = {"joint_positions": np.zeros((VIEWS, 6)), "quality/sharpness": np.arange(VIEWS) / 2}
        write_scene(path, full_scene(seed, fill), {"robot": "r", "T_tool_camera": [1.0] * 16, "note": "n"}, per_view)
        return path.read_bytes()


def hdf5(**arrays: Any) -> bytes:
    """An HDF5 file of these arrays; nested names are groups."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, value in arrays.items():
            file.create_dataset(name.replace("__", "/"), data=value, chunks=True, compression="gzip")
    return buffer.getvalue()


def read_all(path: Path) -> None:
    """Open a dataset, read every scene of every split, and what is asked of datasets; nothing of outside may come."""
    dataset = open_dataset(path)
    for split in (None, *dataset.splits):
        try:
            chosen = open_dataset(path, split)
        except ValueError as error:
            if "holds no scenes" not in str(error):
                raise
            continue
        chosen.digest()
        for scene in chosen:
            use(scene)


def use(scene: Scene) -> None:
    """What is done with any scene that was read."""
    assert not (scene.images == SECRET).all(), "a file outside of the dataset was read"
    for kind in scene.viewpoint_kinds:
        scene.viewpoints(kind)
    assert all(scene.object_name(index) for index in range(scene.num_objects))
    json.dumps(scene.meta)
