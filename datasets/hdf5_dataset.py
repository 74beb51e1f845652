"""Datasets that hold many scenes in few HDF5 files: a scene is one row of each array."""

from __future__ import annotations

import os
import re
from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from datasets.hdf5 import KeptRows, open_hdf5, stored_array
from datasets.scene import DatasetError, Scene
from datasets.scene_dataset import SPLITS, SceneDataset


@dataclass(frozen=True)
class Part:
    """Scenes of one split: rows 0 to `count` - 1 of the arrays in a group of a file."""

    file: Path
    group: str
    split: str
    count: int


class Hdf5Dataset(SceneDataset):
    """All HDF5 files of a folder, or one file; see `SceneDataset`.

    A file is opened for each scene that is read, so that datasets can be handed to other processes. What is in memory
    is a scene, and the rows that are stored in one piece with it.
    """

    def __init__(self, root: Path, split: str | None = None) -> None:
        self.root = (root.parent if root.is_file() else root).resolve()
        self.name = root.stem if root.is_file() else Path(os.path.abspath(root)).name
        self.kind = self.format
        self.split = split
        parts = [part for file in hdf5_files(root) for part in self._parts_of(self.root / file.name)]
        self.splits = self._count(parts)
        chosen = self._choose(split, root)
        self._parts = [part for part in parts if part.split in chosen]
        self._kept: KeptRows = {}

    @classmethod
    def recognises(cls, root: Path) -> bool:
        return any(_holds(file, cls) for file in hdf5_files(root))

    @classmethod
    @abstractmethod
    def arrays(cls, file: h5py.File) -> dict[str, str]:
        """Where the images of each split lie: split -> the array's name. Empty where the file is of another format."""

    @abstractmethod
    def _scene(self, group: h5py.Group, row: int, name: str) -> Scene:
        """The scene in row `row` of the arrays in `group`. Raises DatasetError."""

    def files(self) -> list[Path]:
        return list(dict.fromkeys(part.file for part in self._parts))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": {}}

    def __len__(self) -> int:
        return sum(part.count for part in self._parts)

    def _read(self, index: int) -> Scene:
        row = index
        for part in self._parts:
            if row < part.count:
                break
            row -= part.count
        name = f"{part.split}_{row:06d}"
        with open_hdf5(part.file) as file:
            try:
                return self._scene(file[part.group], row, name)
            except DatasetError as error:
                raise DatasetError(f"scene {name}: {str(error).removeprefix(f'{name}: ')}") from None

    def _parts_of(self, path: Path) -> list[Part]:
        with open_hdf5(path) as file:
            found = self.arrays(file)
            if not found:
                raise DatasetError(f"is no {self.format} dataset, unlike others beside it; give the file that you want")
            counts = {split: stored_array(file, name).shape[:1] for split, name in found.items()}
            if () in counts.values():
                raise DatasetError(f"{' and '.join(found.values())} must have a row for each scene")
        return [Part(path, os.path.dirname(found[split]) or "/", split, count) for split, (count,) in counts.items()]

    def _count(self, parts: list[Part]) -> dict[str, int]:
        counts: dict[str, int] = {}
        for part in parts:
            if part.split in counts:
                names = ", ".join(other.file.name for other in parts if other.split == part.split)
                raise DatasetError(f"{self.root}: split '{part.split}' is in several files ({names}); give one of them")
            counts[part.split] = part.count
        return counts


def hdf5_files(path: Path) -> list[Path]:
    """The file itself, or the HDF5 files of a folder, by their names."""
    if path.is_file():
        return [path] if path.suffix in (".h5", ".hdf5") else []
    return sorted(file for kind in ("*.h5", "*.hdf5") for file in path.glob(kind) if file.is_file())


def split_of(file: h5py.File) -> str:
    """The split that a file's name ends with, or `all`."""
    told = re.search(rf"[_-]({'|'.join(SPLITS)})$", Path(file.filename).stem)
    return told[1] if told else "all"


def is_array(group: h5py.Group, name: str) -> bool:
    return isinstance(group, h5py.Group) and name in group and isinstance(group[name], h5py.Dataset)


def as_rgb(values: np.ndarray, name: str) -> np.ndarray:
    """uint8 from whole numbers in [0, 255], or from floats in [0, 1]. Raises DatasetError for what is neither."""
    if values.dtype == np.uint8 or values.size == 0:
        return values.astype(np.uint8)
    white = 1 if values.dtype.kind == "f" else 255
    if not (values.min() >= 0 and values.max() <= white):  # also where there are NaN
        raise DatasetError(
            f"'{name}' holds values from {values.min():g} to {values.max():g}; "
            f"{values.dtype} images must be in [0, {white}]"
        )
    return np.rint(values * (255 / white)).astype(np.uint8)


def _holds(path: Path, loader: type[Hdf5Dataset]) -> bool:
    try:
        with open_hdf5(path) as file:
            return bool(loader.arrays(file))
    except DatasetError:
        return False
