"""Recorded scenes: one HDF5 file a scene, and `dataset.json`, which lists scenes and splits.

    <folder>/dataset.json  scene_000000.h5  scene_000001.h5 ...

A scene file holds `images` [V,H,W,3] and, where known, `T_world_camera`, `K`, `distortion`, `stamps`, `masks`,
`amodal_masks`, `depth` (uint16, times its attribute `depth_scale` in metres) as `Scene` describes them; further data
per view (`joint_positions`, `quality/*`); attributes `format`, `objects` and `meta` (JSON), and flat facts about the
recording (robot, camera, calibration digest, hand-eye residual, operator note, software version).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from datasets.atomic import whole_file
from datasets.dataset_index import DatasetIndex, read_dataset_index, usual_splits, write_dataset_index
from datasets.json_file import plain
from datasets.scene import DatasetError, Scene
from datasets.scene_dataset import SceneDataset, inside
from datasets.scene_file import OWN_ATTRIBUTES, SCENE_FORMAT, open_scene_file

__all__ = ["RecordedDataset", "read_per_view", "read_scene", "refuse_scenes", "write_dataset_index", "write_scene"]

FINEST_DEPTH = 1e-4  # metres a unit of stored depth; coarser only where the scene is deeper than 6.5 m
SYNTHESIS_NOTE = "synthesis.json"  # what the scenes of a folder are synthesised with
_PER_VIEW = ("joint_positions", "quality")
_DTYPES = {
    "images": np.uint8,
    "T_world_camera": np.float64,
    "K": np.float64,
    "distortion": np.float64,
    "stamps": np.float64,
    "masks": np.uint8,
    "amodal_masks": np.bool_,
    "depth": np.uint16,
}
_IMAGE_LIKE = ("images", "masks", "amodal_masks", "depth")


def write_scene(
    path: Path,
    scene: Scene,
    attributes: Mapping[str, Any] | None = None,
    per_view: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write one scene file. It appears under its name when it is whole and on the disk, not before.

    Args:
        attributes: flat facts (text, numbers, lists of these); `read_scene` adds them to the scene's `meta`.
        per_view: arrays [V,...] named `joint_positions` or `quality/<measure>`.

    Raises:
        DatasetError: the file cannot be written, or the values cannot be stored.
    """
    path = Path(path)
    with whole_file(path) as temporary:
        try:
            content = _file_content(scene, attributes or {}, per_view or {})
        except (TypeError, ValueError) as error:
            raise DatasetError(f"{path}: cannot be stored: {error}") from error
        temporary.write_bytes(content)


def read_scene(path: Path) -> Scene:
    """Read one scene file.

    Raises:
        DatasetError: it is missing, truncated, of a foreign format, or holds wrong shapes or NaN. Names the file.
    """
    with open_scene_file(path) as file:
        arrays = {name: file.array(name, dtype) for name, dtype in _DTYPES.items() if name in file}
        if "images" not in arrays:
            raise DatasetError("has no 'images'")
        if "depth" in arrays:
            arrays["depth"] = arrays["depth"] * np.float32(file.depth_scale())
        meta = {**file.json("meta", dict), **file.facts()}
        return Scene(name=Path(path).stem, objects=file.json("objects", list), meta=meta, **arrays)


def read_per_view(path: Path) -> dict[str, np.ndarray]:
    """The arrays [V,...] that `write_scene` took as `per_view`. Raises DatasetError."""
    with open_scene_file(path) as file:
        names = [name for name in file.dataset_names() if name.split("/")[0] in _PER_VIEW]
        return {name: file.array(name) for name in names}


class RecordedDataset(SceneDataset):
    """The scenes of a folder of scene files; see `SceneDataset`.

    Without dataset.json, as while `record` of the segmentation node fills the folder, they split by `usual_splits`; but
    a part of what was to be synthesised is refused.
    """

    format = "recorded"
    layout = "a file dataset.json, or scene_*.h5 files (recorded or synthesised by lds)"

    def __init__(self, root: Path, split: str | None = None) -> None:
        self.root = root.resolve()
        self.split = split
        index = read_dataset_index(self.root) if (self.root / "dataset.json").exists() else _index_of_files(self.root)
        self.name, self.kind, self._views = index.name, index.kind, index.scenes
        self.splits = {name: len(files) for name, files in index.splits.items()}
        chosen = [index.splits[name] for name in self._choose(split)]
        self._names = list(index.scenes) if split is None else chosen[0]

    @classmethod
    def recognises(cls, root: Path) -> bool:
        return (root / "dataset.json").exists() or any(root.glob("scene_*.h5"))

    def files(self) -> list[Path]:
        return [inside(self.root, name, self.root / "dataset.json") for name in self._names]

    def __len__(self) -> int:
        return len(self._names)

    def _read(self, index: int) -> Scene:
        name = self._names[index]
        path = inside(self.root, name, self.root / "dataset.json")
        try:
            scene = read_scene(path)
        except DatasetError as error:
            raise DatasetError(f"{error}{self._remedy(path)}") from error
        listed = self._views[name]
        if listed and listed != scene.num_views:
            problem = f"has {scene.num_views} views, dataset.json lists {listed}; record it again"
            raise DatasetError(f"{path}: {problem}{self._remedy(path)}")
        return scene

    def _remedy(self, path: Path) -> str:
        return f"; to go on without it: lds data drop {self.root} {path.stem}"


def refuse_scenes(root: Path) -> None:
    """Raises DatasetError where the folder holds scenes already, which new ones would mix with."""
    if any(root.glob("scene_*")) or (root / "dataset.json").exists():
        raise DatasetError(f"{root}: holds scenes already; choose another folder")


def _index_of_files(root: Path) -> DatasetIndex:
    names = sorted(path.name for path in root.glob("scene_*.h5"))
    if (root / SYNTHESIS_NOTE).exists():
        raise DatasetError(
            f"{root}: its synthesis was interrupted, or is at work, after {len(names)} scenes; the same "
            "`lds data synth` goes on with it"
        )
    return DatasetIndex(root.name, "recorded", dict.fromkeys(names, 0), usual_splits(names))


def _file_content(scene: Scene, attributes: Mapping[str, Any], per_view: Mapping[str, np.ndarray]) -> bytes:
    """The scene as an HDF5 file, made in memory: on a disk that is full, HDF5 takes the whole program down."""
    # From version 1.10 on, HDF5 stores attributes of more than 64 kB.
    with h5py.File("scene", "w", driver="core", backing_store=False, libver=("v110", "v110")) as file:
        _write_arrays(file, scene, per_view)
        _write_attributes(file, scene, attributes)
        file.flush()
        return file.id.get_file_image()


def _write_arrays(file: h5py.File, scene: Scene, per_view: Mapping[str, np.ndarray]) -> None:
    for name in _DTYPES:
        value = getattr(scene, name)
        if value is None:
            continue
        if name == "depth":
            scale = max(FINEST_DEPTH, float(value.max()) / np.iinfo(np.uint16).max)
            if value.min() < 0:
                raise ValueError("depth is negative")
            value = np.rint(value / np.float64(scale)).astype(np.uint16)
        layout = _view_chunks(value) if name in _IMAGE_LIKE else {}
        stored = file.create_dataset(name, data=value, **layout)
        if name == "depth":
            stored.attrs["depth_scale"] = scale
    for name, value in per_view.items():
        if name.split("/")[0] not in _PER_VIEW or len(value) != scene.num_views:
            raise ValueError(f"'{name}' must be joint_positions or quality/*, with one row for each view")
        file.create_dataset(name, data=value)


def _view_chunks(value: np.ndarray) -> dict[str, Any]:
    """One chunk a view, so that a view is read alone; the lightest compression, which costs the recorder little."""
    return {"chunks": (1, *value.shape[1:]), "compression": "gzip", "compression_opts": 1} if value.size else {}


def _write_attributes(file: h5py.File, scene: Scene, attributes: Mapping[str, Any]) -> None:
    file.attrs["format"] = SCENE_FORMAT
    file.attrs["objects"] = json.dumps(scene.objects, allow_nan=False, default=plain)
    file.attrs["meta"] = json.dumps(scene.meta, allow_nan=False, default=plain)
    for name, value in attributes.items():
        if name in OWN_ATTRIBUTES:
            raise ValueError(f"'{name}' is an attribute of the format itself")
        file.attrs[name] = value
