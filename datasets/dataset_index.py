"""`dataset.json`: which scene files a recorded dataset has, and how they split."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets.atomic import whole_file
from datasets.json_file import read_json
from datasets.scene import DatasetError
from datasets.scene_dataset import inside
from datasets.scene_names import scene_number

INDEX_FORMAT = "lds_scenes/1"
TEST_EVERY = 10  # of ten scene numbers in a row the last one is for testing, whatever else comes later


@dataclass(frozen=True)
class DatasetIndex:
    """What dataset.json says.

    Attributes:
        name, kind: what the dataset is called and how it was made.
        scenes: scene files, relative to the dataset's folder, in order, with their numbers of views (0: not told).
        splits: for each split, its scene files.
    """

    name: str
    kind: str
    scenes: dict[str, int]
    splits: dict[str, list[str]]


def write_dataset_index(
    root: Path, name: str, kind: str, scenes: Mapping[str, int], splits: Mapping[str, Sequence[str]]
) -> None:
    """Write `root`/dataset.json in one step.

    Args:
        scenes: scene files, relative to `root`, with their numbers of views.
        splits: for each split, which of those files it holds.
    """
    content = {
        "format": INDEX_FORMAT,
        "name": name,
        "kind": kind,
        "scenes": [{"file": file, "views": views} for file, views in scenes.items()],
        "splits": {split: list(files) for split, files in splits.items()},
    }
    with whole_file(Path(root) / "dataset.json") as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def usual_splits(files: Iterable[str]) -> dict[str, list[str]]:
    """`train` and, where there are such, `test`: how scene files split by their numbers, if nothing else is told."""
    splits: dict[str, list[str]] = {}
    for file in files:
        number = scene_number(file.removesuffix(".h5"))
        is_for_testing = number is not None and number % TEST_EVERY == TEST_EVERY - 1
        splits.setdefault("test" if is_for_testing else "train", []).append(file)
    return splits


def read_dataset_index(root: Path) -> DatasetIndex:
    """Read `root`/dataset.json.

    Raises:
        DatasetError: it is missing, no valid JSON, of a foreign format, or names files outside of `root`.
    """
    path = Path(root) / "dataset.json"
    content = read_json(path, "copy or synthesise it again")
    if not isinstance(content, dict) or content.get("format") != INDEX_FORMAT:
        found = content.get("format") if isinstance(content, dict) else None
        raise DatasetError(
            f"{path}: is of format {repr(found)[:200]}; this version of lds_scenes reads {INDEX_FORMAT!r}"
        )
    name, kind = (_expect(path, content, key, str) for key in ("name", "kind"))
    listed = _expect(path, content, "scenes", list)
    scenes = dict(_scene(path, entry) for entry in listed)
    called = Counter(Path(entry["file"]).stem for entry in listed)
    repeated = [stem for stem, times in called.items() if times > 1]
    if repeated:
        raise DatasetError(
            f"{path}: lists a scene twice, or several that are called {repeated[0][:200]!r}; "
            "scenes are told apart by the names of their files"
        )
    splits = _expect(path, content, "splits", dict)
    for split, files in splits.items():
        known = isinstance(files, list) and all(isinstance(file, str) for file in files)
        strangers = [file for file in files if file not in scenes] if known else [files]
        if strangers:
            raise DatasetError(
                f"{path}: split {repr(split)[:200]} names {repr(strangers[0])[:200]}, which is not among its scenes"
            )
    return DatasetIndex(name, kind, scenes, splits)


def _scene(path: Path, entry: Any) -> tuple[str, int]:
    file, views = (entry.get("file"), entry.get("views")) if isinstance(entry, dict) else (None, None)
    if not isinstance(file, str) or not isinstance(views, int) or views < 1:
        raise DatasetError(f"{path}: a scene must be {{'file': name, 'views': number}}, got {repr(entry)[:200]}")
    inside(path.parent, file, path)
    return file, views


def _expect(path: Path, content: dict, key: str, kind: type) -> Any:
    if not isinstance(content.get(key), kind):
        raise DatasetError(f"{path}: '{key}' is missing or is no {kind.__name__}")
    return content[key]
