"""One recorded view, and its file: an .npz archive without compression, with a checksum for every array, no pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from capture.errors import StorageError
from capture.storage.disk_errors import explained, in_words
from datasets.atomic import whole_file
from datasets.named_arrays import read_named_arrays
from datasets.scene import DatasetError

_OPTIONAL = {"depth": np.float32, "truth": np.uint8, "joint_positions": np.float64}
_NAMES = ("image", "stamp", "T_world_camera", "K", "distortion", *_OPTIONAL, "quality")


@dataclass(frozen=True)
class RecordedView:
    """What is kept of one view.

    Attributes:
        image: uint8 [H,W,3], RGB.
        stamp: when it was exposed, seconds.
        T_world_camera: float64 [4,4], camera to world, OpenCV optical frame, metres.
        K: float64 [3,3], pixels; the centre of the top-left pixel is (0, 0).
        distortion: float64 [5], OpenCV order (k1 k2 p1 p2 k3).
        depth: float32 [H,W], metres along the optical axis, 0 where unknown.
        truth: uint8 [H,W], instance ids, 0 background, where a simulation tells them.
        joint_positions: float64 [J], rad; None where no arm tells them.
        quality: measures by name, as capture.quality has them.

    Raises:
        StorageError: a shape, a type or a value is not as above. Names it.
    """

    image: np.ndarray
    stamp: float
    T_world_camera: np.ndarray
    K: np.ndarray
    distortion: np.ndarray
    depth: np.ndarray | None = None
    truth: np.ndarray | None = None
    joint_positions: np.ndarray | None = None
    quality: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.image.dtype != np.uint8 or self.image.ndim != 3 or self.image.shape[2] != 3 or not self.image.size:
            raise StorageError(f"image must be uint8 [H,W,3], got {self.image.dtype} {list(self.image.shape)}")
        size = self.image.shape[:2]
        shapes = {"T_world_camera": (4, 4), "K": (3, 3), "distortion": (5,), "depth": size, "truth": size}
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value is not None and (value.shape != shape or value.dtype != _OPTIONAL.get(name, np.float64)):
                dtype = np.dtype(_OPTIONAL.get(name, np.float64)).name
                raise StorageError(f"{name} must be {dtype} {list(shape)}, got {value.dtype} {list(value.shape)}")
        for name in ("stamp", "T_world_camera", "K", "distortion", "depth", "joint_positions"):
            value = getattr(self, name)
            if value is not None and not np.isfinite(value).all():
                raise StorageError(f"{name} holds NaN or infinite values")
        if self.joint_positions is not None and self.joint_positions.ndim != 1:
            raise StorageError(f"joint_positions must be [J], got {list(self.joint_positions.shape)}")
        if self.depth is not None and self.depth.min() < 0:
            raise StorageError("depth is negative; it must be 0 where it is unknown")

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in (self.image, self.depth, self.truth) if part is not None)

    @property
    def layout(self) -> dict[str, list[int] | None]:
        """The shapes of what all views of a scene must have alike; None where a view has no such thing."""
        parts = {name: getattr(self, name) for name in ("image", *_OPTIONAL)}
        return {name: None if part is None else list(part.shape) for name, part in parts.items()}


def write_view(path: Path, view: RecordedView) -> None:
    """Write a view's file; it is whole and on the disk when this returns. Raises StorageError."""
    arrays = {name: np.asarray(getattr(view, name)) for name in _NAMES if getattr(view, name) is not None}
    arrays["quality"] = np.frombuffer(json.dumps({k: float(v) for k, v in view.quality.items()}).encode(), np.uint8)
    absent = {name: np.empty(0, dtype) for name, dtype in _OPTIONAL.items() if getattr(view, name) is None}
    with explained(path, view.nbytes), whole_file(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, allow_pickle=False, **arrays, **absent)


def read_view(path: Path) -> RecordedView:
    """Read a view's file.

    Raises:
        DatasetError: it is missing, damaged or holds what no view is.
        StorageError: the disk does not let it be read now; the view may well be there.
    """
    try:
        parts: dict[str, Any] = read_named_arrays(path, _NAMES)
        parts |= {name: None for name in _OPTIONAL if not parts[name].size}
        parts["quality"] = {name: float(value) for name, value in json.loads(parts["quality"].tobytes()).items()}
        return RecordedView(**{**parts, "stamp": float(parts["stamp"])})
    except DatasetError as error:
        if isinstance(error.__cause__, OSError):
            raise StorageError(in_words(path, error.__cause__)) from error
        raise
    except (StorageError, AttributeError, RecursionError, TypeError, ValueError) as error:
        raise DatasetError(f"{path}: is no recorded view: {error}") from error
