"""dataset.json of a folder that is recorded into: which scenes there are, and how they split."""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence
from pathlib import Path

from capture.storage.disk_errors import explained
from capture.storage.names import INDEX, number_of
from datasets.dataset_index import DatasetIndex, read_dataset_index, usual_splits, write_dataset_index
from datasets.recorded import read_scene
from datasets.scene import DatasetError

KIND = "recorded"


def read_index(root: Path) -> DatasetIndex:
    """What dataset.json says; of no scenes where there is none yet. Raises DatasetError."""
    if (root / INDEX).exists():
        return read_dataset_index(root)
    return DatasetIndex(root.resolve().name, KIND, {}, {"train": [], "test": []})


def add_to_index(root: Path, scenes: Mapping[str, int]) -> None:
    """List scene files with their numbers of views. The splits of files that are listed stay. Raises DatasetError."""
    index = read_index(root)
    splits = {split: list(files) for split, files in index.splits.items()}
    for split, new in usual_splits(sorted(scenes.keys() - index.scenes.keys())).items():
        splits.setdefault(split, []).extend(new)
    write_dataset_index(root, index.name, index.kind, dict(sorted({**index.scenes, **scenes}.items())), splits)


def remove_from_index(root: Path, file: str) -> None:
    """List a scene's file no more; nothing where there is no dataset.json. Raises StorageError."""
    index = read_index(root)
    if file in index.scenes:
        scenes = {name: views for name, views in index.scenes.items() if name != file}
        splits = {split: [name for name in files if name != file] for split, files in index.splits.items()}
        _write(root, index, scenes, splits)


def put_into_index(root: Path, file: str, views: int, splits: Sequence[str]) -> None:
    """List a scene's file in the given splits, or where a new one would come; nothing where there is no dataset.json.

    Raises StorageError.
    """
    index = read_index(root)
    if not (root / INDEX).exists() or file in index.scenes:
        return
    joined = {split: list(files) for split, files in index.splits.items()}
    for split in splits or usual_splits([file]):
        insort(joined.setdefault(split, []), file)
    _write(root, index, dict(sorted({**index.scenes, file: views}.items())), joined)


def list_unlisted(root: Path) -> list[str]:
    """List the scene files that dataset.json does not name; what is wrong with those that cannot be read, in words.

    Raises:
        StorageError: dataset.json is damaged or cannot be written.
    """
    with explained(root / INDEX):
        listed, found, problems = read_index(root).scenes, {}, []
        for path in sorted(root.glob("scene_*.h5")):
            if path.name not in listed and number_of(path.name) is not None:
                try:
                    found[path.name] = read_scene(path).num_views
                except DatasetError as error:
                    problems.append(f"not listed in {INDEX}: {error}")
        if found:
            add_to_index(root, found)
    return problems


def _write(root: Path, index: DatasetIndex, scenes: Mapping[str, int], splits: Mapping[str, Sequence[str]]) -> None:
    with explained(root / INDEX):
        write_dataset_index(root, index.name, index.kind, scenes, splits)
