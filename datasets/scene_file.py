"""The reading end of a recorded scene's HDF5 file, which trusts nothing in it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from datasets.scene import DatasetError
from datasets.scene_dataset import MAX_ARRAY_BYTES

SCENE_FORMAT = "lds_scene/1"
OWN_ATTRIBUTES = ("format", "objects", "meta")


class SceneFile:
    """An open scene file. Whatever goes wrong inside `with` becomes a DatasetError that names it."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    def __enter__(self) -> SceneFile:
        if not self.path.exists():
            raise DatasetError(f"{self.path}: no such file; the dataset is not complete, copy or record it again")
        try:
            # Scene files never change once they have their name, so no lock is needed (network disks often have none).
            self._file = h5py.File(self.path, "r", locking=False)
        except OSError as error:
            told = f"is truncated or no HDF5 file ({error}); copy or record it again"
            raise DatasetError(f"{self.path}: {told}") from error
        found = self._file.attrs.get("format")
        if found != SCENE_FORMAT:
            self._file.close()
            told = f"is of format '{found}'" if found is not None else "is no recorded scene (it has no format)"
            raise DatasetError(f"{self.path}: {told}; this version of lds_scenes reads {SCENE_FORMAT}")
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        self._file.close()
        if isinstance(error, DatasetError):
            raise DatasetError(f"{self.path}: {str(error).removeprefix(f'{self.path.stem}: ')}") from None
        if isinstance(error, OSError | KeyError | ValueError | RuntimeError | TypeError):
            raise DatasetError(f"{self.path}: is damaged ({error}); copy or record it again") from error

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
