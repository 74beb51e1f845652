"""The official CLE-MV / CLE-Aug / Dolphin layout of MulMON (Nanbo Li et al., NeurIPS 2020) and LDS (BMVC 2021).

    <root>/<name>/<name>_train.json  <name>_test.json  data/CLEVR_new_%06d.npy

The reference reader is MulMON's `data_loader/getClevrMV.py`. Unlike it, this one reads scenes whose farthest object is
hidden in some view.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datasets.camera import look_at, pinhole
from datasets.json_file import read_json
from datasets.named_arrays import read_named_arrays
from datasets.scene import MAX_ID, DatasetError, Scene, refuse_nan
from datasets.scene_dataset import SPLITS, SceneDataset, inside


@dataclass(frozen=True)
class _Record:
    """One scene's entry in a JSON index."""

    index: Path
    number: int
    num_views: int | None
    entry: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.index}, scene {self.number}"


class ClevrMvDataset(SceneDataset):
    """The official layout; see `SceneDataset`. Poses come from camera.location, K from `fov` where there is one."""

    format = "clevr_mv"
    layout = "a file <name>_train.json or <name>_test.json beside data/*.npy (the official CLE-MV, CLE-Aug or Dolphin)"

    def __init__(self, root: Path, split: str | None = None) -> None:
        self.root = root.resolve()
        self.name = Path(os.path.abspath(root)).name
        self.kind = self.format
        self.split = split
        indices = _index_files(self.root)
        records = {name: _read_index(index) for name, index in indices.items()}
        self.splits = {name: len(part) for name, part in records.items()}
        chosen = self._choose(split)
        self._indices = [indices[name] for name in chosen]
        self._records = [record for name in chosen for record in records[name]]

    @classmethod
    def recognises(cls, root: Path) -> bool:
        return any(any(root.glob(f"*_{split}.json")) for split in SPLITS)

    def files(self) -> list[Path]:
        return self._indices + [self._data_file(record) for record in self._records]

    def __len__(self) -> int:
        return len(self._records)

    def _read(self, index: int) -> Scene:
        record = self._records[index]
        path = self._data_file(record)
        objects = _objects(record)
        positions = _camera_positions(record)
        orders = _depth_orders(record, len(positions), len(objects))
        arrays = read_named_arrays(path, ("images", "masks"))
        try:
            images = _images(_one_scene(arrays["images"]), len(positions))
            packed = _packed_masks(_one_scene(arrays["masks"]), images.shape[:3], len(objects))
            masks = _instance_ids(packed[..., 0], orders)
        except DatasetError as error:
            raise DatasetError(f"{path}: {error}") from None
        return Scene(
            name=path.stem,
            images=images,
            T_world_camera=np.stack([look_at(position, np.zeros(3)) for position in positions]),
            K=_intrinsics(record, *images.shape[:3]),
            masks=masks,
            amodal_masks=np.ascontiguousarray((packed[..., 1:] > 0.5).transpose(0, 3, 1, 2)),
            objects=objects,
            meta={"kind": self.kind, "dataset": self.name},
        )

    def _data_file(self, record: _Record) -> Path:
        """`data_path` starts with the dataset's own folder: it is relative to that folder's parent."""
        relative = _value(record, "data_path", str)
        first, _, rest = relative.partition("/")
        own = first in (self.name, self.root.name)  # either side of a link to the folder
        return inside(self.root, rest if own else f"../{relative}", record)


def _index_files(root: Path) -> dict[str, Path]:
    indices = {}
    for split in SPLITS:
        found = sorted(root.glob(f"*_{split}.json"))
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise DatasetError(f"{root}: holds more than one {split} index: {names}; keep one")
        if found:
            indices[split] = found[0]
    return indices


def _read_index(path: Path) -> list[_Record]:
    content = read_json(path, "copy or download it again")
    scenes = content.get("scenes") if isinstance(content, dict) else None
    if not isinstance(scenes, list) or not all(isinstance(entry, dict) for entry in scenes):
        raise DatasetError(f"{path}: has no list 'scenes' of objects; it is not an index of the official layout")
    return [_Record(path, number, content.get("num_views"), entry) for number, entry in enumerate(scenes)]


def _value(record: _Record, key: str, kind: type) -> Any:
    value = record.entry.get(key)
    if not isinstance(value, kind):
        raise DatasetError(f"{record}: '{key}' is missing or is no {kind.__name__}")
    return value


def _numbers(value: Any, shape: tuple[int | None, ...]) -> np.ndarray | None:
    """`value` as a finite float64 array of this shape (None: any length), or None where it is none."""
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        return None
    fits = array.ndim == len(shape) and all(n in (None, m) for n, m in zip(shape, array.shape, strict=True))
    return array if fits and np.isfinite(array).all() else None


def _objects(record: _Record) -> list[dict[str, Any]]:
    objects = []
    for described in _value(record, "objects", list):
        if not isinstance(described, dict):
            raise DatasetError(f"{record}: 'objects' must list dictionaries")
        position = described.get("3d_coords")
        if position is not None and _numbers(position, (3,)) is None:
            raise DatasetError(f"{record}: '3d_coords' of an object must be three numbers, got {repr(position)[:200]}")
        rest = {key: value for key, value in described.items() if key != "3d_coords"}
        objects.append(rest if position is None else {**rest, "position": position})
    if len(objects) > MAX_ID:
        raise DatasetError(f"{record}: has {len(objects)} objects, more than {MAX_ID}")
    return objects


def _camera_positions(record: _Record) -> np.ndarray:
    positions = _numbers(_value(record, "camera", dict).get("location"), (None, 3))
    if positions is None or len(positions) == 0 or (np.linalg.norm(positions, axis=1) < 1e-6).any():
        raise DatasetError(f"{record}: 'camera.location' must be a list of [x, y, z], one a view, none at the origin")
    if record.num_views is not None and record.num_views != len(positions):
        raise DatasetError(
            f"{record}: 'camera.location' has {len(positions)} views, "
            f"the index's 'num_views' is {repr(record.num_views)[:200]}"
        )
    return positions


def _depth_orders(record: _Record, views: int, num_objects: int) -> np.ndarray:
    """int [V,N]: the objects of each view from the nearest to the farthest."""
    orders = _numbers(_value(record, "depth_orders", list), (views, num_objects))
    if orders is None or (np.sort(orders, axis=1) != np.arange(num_objects)).any():
        raise DatasetError(
            f"{record}: 'depth_orders' must hold, for each of {views} views, the numbers 0..{num_objects - 1}"
        )
    return orders.astype(int)


def _intrinsics(record: _Record, views: int, height: int, width: int) -> np.ndarray | None:
    """float64 [V,3,3] from the horizontal field of view `fov` (radians), which not every dataset tells."""
    if "fov" not in record.entry:
        return None
    fov = _numbers(record.entry["fov"], ())
    if fov is None or not 0 < fov < np.pi:
        raise DatasetError(
            f"{record}: 'fov' must be an angle in radians between 0 and pi, not {repr(record.entry['fov'])[:200]}"
        )
    vertical = float(2 * np.arctan(np.tan(fov / 2) * height / width))
    return np.broadcast_to(pinhole(height, width, vertical), (views, 3, 3)).copy()


def _one_scene(array: np.ndarray) -> np.ndarray:
    """Undo the leading axis that a structured array of one record adds."""
    return array[0] if array.ndim == 5 and array.shape[0] == 1 else array


def _images(array: np.ndarray, views: int) -> np.ndarray:
    """uint8 [V,H,W,3] from [V,H,W,>=3]; what follows the third channel (alpha) goes."""
    refuse_nan("images", array)
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[0] != views or array.shape[3] < 3 or 0 in array.shape:
        raise DatasetError(f"'images' must be uint8 [{views},H,W,3 or more], got {array.dtype} {list(array.shape)}")
    return np.ascontiguousarray(array[..., :3])


def _packed_masks(array: np.ndarray, image_shape: tuple[int, ...], num_objects: int) -> np.ndarray:
    """The masks [V,H,W,1+N]: the visible map, then whole silhouettes, uint8 or float."""
    refuse_nan("masks", array)
    shape = (*image_shape, 1 + num_objects)
    if array.dtype.kind not in "buif" or array.shape != shape:
        raise DatasetError(
            f"'masks' must be uint8 or float32 {list(shape)}, the last axis one more than the index's {num_objects} "
            f"objects, got {array.dtype} {list(array.shape)}"
        )
    return array


def _instance_ids(visible: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """uint8 [V,H,W] ids (object i is i + 1) from visible maps [V,H,W] in which i is the i-th nearest of that view."""
    ranks = visible.astype(np.int64)
    if (ranks != visible).any() or ranks.min() < 0 or ranks.max() > orders.shape[1]:
        raise DatasetError(f"the visible map (channel 0 of 'masks') must hold the whole numbers 0..{orders.shape[1]}")
    background = np.zeros((len(orders), 1), int)
    ids = np.concatenate([background, orders + 1], axis=1)
    return np.stack([ids[view][ranks[view]] for view in range(len(orders))]).astype(np.uint8)
