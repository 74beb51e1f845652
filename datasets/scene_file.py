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

from datasets.hdf5 import open_hdf5, read_array, stored_array
from datasets.scene import DatasetError

SCENE_FORMAT = "lds_scene/1"
OWN_ATTRIBUTES = ("format", "objects", "meta")


@contextmanager
def open_scene_file(path: Path) -> Iterator[SceneFile]:
    """Open a scene file; whatever goes wrong with it inside `with` becomes a DatasetError that names it."""
    with open_hdf5(path, with_text=True) as file:
        yield SceneFile(file)


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
        stored = stored_array(self._file, name)
        if dtype is not None and stored.dtype != dtype:
            raise DatasetError(f"'{name}' must be {np.dtype(dtype).name}, got {stored.dtype}")
        return read_array(stored)

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
        """The flat attributes beside the format's own: text, numbers, lists of these."""
        rest = {name: value for name, value in self._file.attrs.items() if name not in OWN_ATTRIBUTES}
        facts = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in rest.items()}
        for name, fact in facts.items():
            if not all(isinstance(part, str | int | float) for part in (fact if isinstance(fact, list) else [fact])):
                raise DatasetError(f"its attribute '{name}' must be text, a number or a list of these")
        return facts

    def dataset_names(self) -> list[str]:
        names: list[str] = []
        self._file.visit(names.append)
        return [name for name in names if isinstance(self._file[name], h5py.Dataset)]
