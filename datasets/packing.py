"""Any dataset as one packed file that is held in memory whole, at the size that a model takes.

15,000 images of 64x64 with masks take 246 MB and no time to load; files are kept under a name made of the dataset's
digest, so packing happens once.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np

from datasets.atomic import make_folder, whole_file
from datasets.hdf5 import open_hdf5, read_array, stored_array
from datasets.loading import find_loader, open_dataset
from datasets.scene import DatasetError, Scene
from datasets.square import square

FORMAT = "lds_scenes/packed/2"
GZIP_AT_BEST = 1100  # bytes that one byte unpacks to
AGAIN = "delete the file and pack again"


@dataclass(frozen=True)
class PackedDataset:
    """S scenes with N views in all, the views of a scene one after another.

    Attributes:
        images: uint8 [N,size,size,3], RGB.
        first_view: int64 [S+1]; scene s has the views first_view[s] to first_view[s+1] - 1.
        masks: uint8 [N,size,size] instance ids, 0 = background, or None.
        viewpoints: kind ("clevr", "pose", "gqn") -> float32 [N,Dv]; empty without poses.
        names: one name a scene.
        source, split, digest: the dataset's path, which split of it, and a digest of what it held.
    """

    images: np.ndarray
    first_view: np.ndarray
    masks: np.ndarray | None
    viewpoints: dict[str, np.ndarray]
    names: list[str]
    source: str
    split: str
    digest: str

    @property
    def image_size(self) -> int:
        return self.images.shape[1]

    @property
    def most_objects(self) -> int | None:
        """The largest number of objects visible in one image, or None without masks."""
        if self.masks is None:
            return None
        return max(len(np.setdiff1d(mask, 0)) for mask in self.masks)

    @property
    def most_objects_of_a_scene(self) -> int | None:
        """The largest number of objects visible in the views of one scene, or None without masks."""
        if self.masks is None:
            return None
        return max(len(np.setdiff1d(masks, 0)) for masks in np.split(self.masks, self.first_view[1:-1]))

    def select(self, rows: np.ndarray | slice, first_view: np.ndarray) -> PackedDataset:
        """Some of the images, as the views of the first scenes; `first_view` says which belong together."""
        return replace(
            self,
            images=self.images[rows],
            first_view=first_view,
            masks=None if self.masks is None else self.masks[rows],
            viewpoints={kind: values[rows] for kind, values in self.viewpoints.items()},
            names=self.names[: len(first_view) - 1],
        )


def pack(
    path: str | Path,
    split: str,
    image_size: int,
    with_masks: bool = True,
    progress: Callable[[int], None] = lambda scenes: None,
) -> PackedDataset:
    """Open the packed form of a dataset's split, packing it first where that was not done before.

    Args:
        path: a dataset's folder or file, or a packed file (`lds data pack`).
        image_size: images are cropped to their middle square and resized to this many pixels.
        with_masks: whether to hold the masks, a quarter of the memory, which training does not need.
        progress: called with the number of scenes packed since its last call.

    Raises:
        DatasetError: the dataset, or the packed file, is bad, or the packed file is of another size or split.
    """
    path = Path(path)
    if path.is_file() and find_loader(path) is None:
        packed = read_packed(path, with_masks)
        if packed.image_size != image_size or packed.split != split:
            raise DatasetError(
                f"{path}: was packed from the split '{packed.split}' at {packed.image_size} pixels, and '{split}' at "
                f"{image_size} is wanted; pack it again with `lds data pack --split {split} --size {image_size}`"
            )
        return packed
    dataset = open_dataset(path, split)
    digest = dataset.digest()
    key = hashlib.sha256(f"{FORMAT} {digest} {split} {image_size}".encode()).hexdigest()[:24]
    cached = cache_folder() / f"{key}.h5"
    if not cached.exists():
        with _alone(cached):
            if not cached.exists():
                write_packed(cached, dataset, str(path), split, digest, image_size, progress)
    return replace(read_packed(cached, with_masks), source=str(path))  # it may be of a copy that lies elsewhere


@contextmanager
def _alone(cached: Path) -> Iterator[None]:
    """While one process packs, those that want the same wait: trainings are often started two at a time."""
    try:
        make_folder(cached.parent)
        lock = cached.with_name(f".{cached.name}.lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:
        raise DatasetError(
            f"{cached}: cannot be written ({error.strerror}); see to space and permissions there"
        ) from error
    with lock:  # closing gives it back, as the end of the process does, however it ends
        yield


def cache_folder() -> Path:
    """Where packed datasets are kept: $LDS_CACHE, or lds_scenes in the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("LDS_CACHE") or Path(home) / "lds_scenes")


def write_packed(
    out: Path,
    scenes: Sequence[Scene],
    source: str,
    split: str,
    digest: str,
    image_size: int,
    progress: Callable[[int], None] = lambda scenes: None,
) -> None:
    """Pack scenes into the file `out`, which appears whole; with masks and viewpoints where every scene has them."""
    images, masks, names, counts = [], [], [], []
    viewpoints: dict[str, list[np.ndarray]] = defaultdict(list)
    for scene in scenes:
        images.append(np.stack([square(image, image_size) for image in scene.images]))
        if scene.masks is not None:
            masks.append(np.stack([square(mask, image_size) for mask in scene.masks]))
        for kind in scene.viewpoint_kinds:
            viewpoints[kind].append(scene.viewpoints(kind))
        names.append(scene.name)
        counts.append(scene.num_views)
        progress(1)
    # In memory: on a disk that is full, HDF5 takes the whole program down.
    with whole_file(out) as temporary, h5py.File("packed", "w", driver="core", backing_store=False) as file:
        file.attrs.update(format=FORMAT, source=source, split=split, digest=digest, names=json.dumps(names))
        file["first_view"] = np.concatenate([[0], np.cumsum(counts)])
        compact = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
        file.create_dataset("images", data=np.concatenate(images), **compact)
        if len(masks) == len(names):
            file.create_dataset("masks", data=np.concatenate(masks), **compact)
        for kind, of_scenes in viewpoints.items():
            if len(of_scenes) == len(names):
                file[f"viewpoints/{kind}"] = np.concatenate(of_scenes)
        file.flush()
        temporary.write_bytes(file.id.get_file_image())


def read_packed(path: Path, with_masks: bool = True) -> PackedDataset:
    """Read a packed file into memory.

    Raises:
        DatasetError: the file is missing, truncated, or no packed dataset, or its parts do not fit together.
    """
    with open_hdf5(path, with_text=True) as file:
        if file.attrs.get("format") != FORMAT:
            raise DatasetError("is no packed dataset of this version; make one with `lds data pack`")
        masks = _array(file, "masks") if with_masks and "masks" in file else None
        viewpoints = {kind: _array(file, f"viewpoints/{kind}") for kind in file.get("viewpoints", ())}
        attributes = {key: str(file.attrs[key]) for key in ("source", "split", "digest")}
        names = json.loads(file.attrs["names"])
        packed = PackedDataset(
            _array(file, "images"), _array(file, "first_view"), masks, viewpoints, names, **attributes
        )  # fmt: skip
        _check(packed)
        return packed


def _array(file: h5py.File, name: str) -> np.ndarray:
    """An array of a packed file, which may be large, but not larger than what is stored can unpack to."""
    stored = stored_array(file, name)
    return read_array(stored, GZIP_AT_BEST * stored.id.get_storage_size())


def _check(packed: PackedDataset) -> None:
    """Raises DatasetError where the parts of a packed dataset do not fit together."""
    images, first, names = packed.images, packed.first_view, packed.names
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (images.shape[1], images.shape[1], 3):
        raise DatasetError(f"images must be uint8 [N,size,size,3], got {images.dtype} {list(images.shape)}; {AGAIN}")
    rising = first.dtype == np.int64 and first.ndim == 1 and len(first) > 1 and (np.diff(first) > 0).all()
    if not rising or first[0] != 0 or first[-1] != len(images):
        raise DatasetError(f"'first_view' must hold whole numbers that rise from 0 to {len(images)}; {AGAIN}")
    if not isinstance(names, list) or len(names) != len(first) - 1 or not all(isinstance(name, str) for name in names):
        raise DatasetError(f"its attribute 'names' must be a JSON list of {len(first) - 1} names; {AGAIN}")
    if packed.masks is not None and (packed.masks.dtype != np.uint8 or packed.masks.shape != images.shape[:3]):
        raise DatasetError(f"masks must be uint8 {list(images.shape[:3])}, got {list(packed.masks.shape)}; {AGAIN}")
    for kind, values in packed.viewpoints.items():
        if values.dtype != np.float32 or values.ndim != 2 or len(values) != len(images):
            raise DatasetError(f"'viewpoints/{kind}' must be float32 [{len(images)},Dv]; {AGAIN}")
