"""The reading end of a recorded scene's HDF5 file, which trusts nothing in it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from datasets.scene import DatasetError
from datasets.scene_dataset import MAX_ARRAY_BYTES

SCENE_FORMAT = "lds_scene/1"
OWN_ATTRIBUTES = ("format", "objects", "meta")


@contextmanager
def open_scene_file(path: Path) -> Iterator[SceneFile]:
    """Open a scene file; whatever goes wrong with it inside `with` becomes a DatasetError that names it."""
    path = Path(path)
    if not path.exists():
        raise DatasetError(f"{path}: no such file; the dataset is not complete, copy or record it again")
    try:
        # Scene files never change once they have their name, so no lock is needed (network disks often have none).
        with h5py.File(path, "r", locking=False) as file:
            yield SceneFile(file)
    except DatasetError as error:
        raise DatasetError(f"{path}: {str(error).removeprefix(f'{path.stem}: ')}") from None
    except (OSError, KeyError, ValueError, RuntimeError, TypeError) as error:
        reason = str(error).strip("'\"").partition("\n")[0]
        raise DatasetError(f"{path}: is truncated, damaged or no HDF5 file ({reason}); copy it again") from error


class SceneFile:
    """What an open scene file holds. Raises DatasetError where it is of a foreign format."""

    def __init__(self, file: h5py.File) -> None:
        self._file = file
        found = file.attrs.get("format")
        if found != SCENE_FORMAT:
            told = f"is of format '{found}'" if found is not None else "is no recorded scene (it has no format)"
            raise DatasetError(f"{told}; this version of lds_scenes reads {SCENE_FORMAT}")

    def __contains__(self, name: str) -> bool:
        return name in self._file

    def array(self, name: str, dtype: type | None = None) -> np.ndarray:
        stored = self._file[name]
        link = self._file.get(name, getlink=True)
        if not isinstance(stored, h5py.Dataset) or not isinstance(link, h5py.HardLink) or _from_elsewhere(stored):
            raise DatasetError(f"'{name}' is no array stored in this file")
        if dtype is not None and stored.dtype != dtype:
            raise DatasetError(f"'{name}' must be {np.dtype(dtype).name}, got {stored.dtype}")
        if math.prod(stored.shape) * stored.dtype.itemsize > MAX_ARRAY_BYTES:
            raise DatasetError(f"'{name}' declares an absurd size, {list(stored.shape)}; the file is damaged")
        return stored[...]

    def depth_scale(self) -> float:
        scale = float(self._file["depth"].attrs.get("depth_scale", math.nan))
        if not 0 < scale < math.inf:
            raise DatasetError("'depth' needs an attribute 'depth_scale', metres a unit, above 0")
        return scale

    def json(self, name: str, kind: type) -> Any:
        value = json.loads(self._file.attrs[name])
        if not isinstance(value, kind):
            raise DatasetError(f"its attribute '{name}' must be a JSON {kind.__name__}")
        return value

    def facts(self) -> dict[str, Any]:
        """The flat attributes beside the format's own."""
        rest = {name: value for name, value in self._file.attrs.items() if name not in OWN_ATTRIBUTES}
        return {name: value.tolist() if hasattr(value, "tolist") else value for name, value in rest.items()}

    def dataset_names(self) -> list[str]:
        names: list[str] = []
        self._file.visit(names.append)
        return [name for name in names if isinstance(self._file[name], h5py.Dataset)]


def _from_elsewhere(stored: h5py.Dataset) -> bool:
    """HDF5 can point into other files; a scene must not."""
    return stored.is_virtual or bool(stored.external)
