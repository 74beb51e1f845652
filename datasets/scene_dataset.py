"""A dataset is a lazy sequence of scenes. Every loader derives from `SceneDataset`."""

from __future__ import annotations

import hashlib
import os
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, overload

import numpy as np

from datasets.scene import DatasetError, Scene

# No array of a scene may declare more than this; files that do are damaged or hostile (a 100-view recording in full HD
# takes 0.6 GB). Checked before any memory is taken.
MAX_ARRAY_BYTES = 2**30
SPLITS = ("train", "val", "test")  # as published datasets call them in the names of files and groups
HASHED_BLOCK = 2**20  # bytes
HASHED_BLOCKS = 256  # of a file; those of many scenes have 10 GB and more, and each training asks for the digest


class SceneDataset(Sequence[Scene]):
    """Scenes of one split, or of all splits, of the dataset in the folder `root`. Scenes are read when asked for.

    Attributes:
        root: the dataset's own folder, links followed.
        name, kind: what the dataset calls itself, and how it was made (`clevr_mv`, `table_cubes`, ...).
        split: the split that this sequence holds, or None for the scenes of all splits.
        splits: how many scenes each split holds.
    """

    format: ClassVar[str]  # the loader's name
    layout: ClassVar[str]  # what it looks for in a folder, in words

    root: Path
    name: str
    kind: str
    split: str | None
    splits: dict[str, int]

    @abstractmethod
    def __init__(self, root: Path, split: str | None = None) -> None:
        """Open the folder, or the file, `root`. Raises DatasetError."""

    @classmethod
    @abstractmethod
    def recognises(cls, root: Path) -> bool:
        """Whether the folder holds a dataset of this format."""

    @abstractmethod
    def files(self) -> list[Path]:
        """The files that hold this dataset's scenes, in order."""

    @abstractmethod
    def _read(self, index: int) -> Scene:
        """Read scene `index`, 0 <= index < len(self). Raises DatasetError."""

    @overload
    def __getitem__(self, index: int) -> Scene: ...

    @overload
    def __getitem__(self, index: slice) -> list[Scene]: ...

    def __getitem__(self, index: int | slice) -> Scene | list[Scene]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self.name} holds {len(self)} scenes, asked for scene {index}")
        return self._read(index % len(self))

    def digest(self) -> str:
        """SHA-256 (hex) over names, sizes and contents of all files; equal wherever the folder lies.

        Of files above 256 MB it sees 256 blocks of 1 MB, evenly spread, the first and the last among them.
        """
        total = hashlib.sha256()
        for path in self.files():
            try:
                with open(path, "rb") as file:
                    size = os.fstat(file.fileno()).st_size
                    total.update(f"{path.relative_to(self.root)}\0{size}\0".encode())
                    for block in spread(-(-size // HASHED_BLOCK), HASHED_BLOCKS):
                        file.seek(int(block) * HASHED_BLOCK)
                        total.update(file.read(HASHED_BLOCK))
            except OSError as error:
                raise DatasetError(f"{path}: cannot be read ({error.strerror}){self._remedy(path)}") from error
        return total.hexdigest()

    def _remedy(self, path: Path) -> str:
        """What else to do about one of the `files` that is bad, as the end of a sentence; or nothing."""
        return ""

    def _choose(self, split: str | None, place: Path | None = None) -> list[str]:
        """The names of the splits that `split` stands for. Raises DatasetError where there is no such split.

        Args:
            place: what has the splits, if it is not the whole folder.
        """
        if split is not None and split not in self.splits:
            raise DatasetError(
                f"{place or self.root}: has no split '{split}'; it has {', '.join(self.splits) or 'none'}"
            )
        return list(self.splits) if split is None else [split]


def spread(count: int, limit: int) -> np.ndarray:
    """Up to `limit` of the indices below `count`, from the first to the last, evenly."""
    return np.linspace(0, count - 1, min(count, limit)).round().astype(int)


def inside(root: Path, relative: str, source: object) -> Path:
    """The file `relative` to the folder `root` that `source` names, links followed; refused where it leaves `root`.

    Raises:
        DatasetError: it names a file outside of `root`.
    """
    try:
        path = (root / relative).resolve()
    except (OSError, ValueError, RuntimeError) as error:  # a loop of links, a zero byte in the name
        raise DatasetError(f"{source}: names a file that cannot be, {relative!r} ({error})") from error
    if not path.is_relative_to(root.resolve()):
        raise DatasetError(
            f"{source}: names {relative!r}, which lies outside of the dataset's folder {root}; "
            f"if the folder was renamed, give it its old name back; if its files are links, put the files there"
        )
    return path
