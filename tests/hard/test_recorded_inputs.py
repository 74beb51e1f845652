"""Recorded scenes, whole folders of them, and views at work, made hostile."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random

from batches import Kind, expect_none_at_fault
from hdf5_mutation import OUTSIDE, SECRET, write_mutated
from mutation import as_json, mutated, mutated_tree
from nursery import Nursery
from scenes import read_all, scene_file, use

from datasets.dataset_index import INDEX_FORMAT
from datasets.recorded import read_per_view, read_scene
from datasets.recording_facts import readable, recording_facts
from datasets.scene import DatasetError

INDEX = {
    "format": INDEX_FORMAT,
    "name": "d",
    "kind": "table",
    "scenes": [{"file": f"scene_{i:06d}.h5", "views": 3} for i in range(3)],
    "splits": {"train": ["scene_000000.h5", "scene_000001.h5"], "test": ["scene_000002.h5"]},
}


def write_scene_file(rng: Random, folder: Path) -> Path:
    (folder / OUTSIDE).write_bytes(scene_file(9, SECRET))
    path = folder / "d" / "scene_000000.h5"
    path.parent.mkdir()
    write_mutated(rng, path, scene_file(0), scene_file(1))
    return path


def read_scene_file(path: Path) -> None:
    use(read_scene(path))
    read_per_view(path)
    readable(recording_facts(path).facts)


def write_folder(rng: Random, folder: Path) -> Path:
    """A dataset of three scenes, its dataset.json mutated; at times, a file is a link or a folder."""
    root = folder / "d"
    root.mkdir()
    (folder / OUTSIDE).write_bytes(scene_file(9, SECRET))
    for index in range(3):
        (root / f"scene_{index:06d}.h5").write_bytes(scene_file(index))
    tree = mutated_tree(rng, INDEX)
    if rng.random() < 0.3:
        tree = json.loads(json.dumps(INDEX).replace("scene_000001.h5", rng.choice(ELSEWHERE).format(folder)))
    text = as_json(rng, tree)
    (root / "dataset.json").write_bytes(mutated(rng, text) if rng.random() < 0.3 else text)
    if rng.random() < 0.3:
        victim = root / rng.choice(("scene_000000.h5", "scene_000001.h5", "dataset.json"))
        victim.unlink()
        target = rng.choice((f"../{OUTSIDE}", str(folder / OUTSIDE), victim.name, "nowhere", "..", "scene_000002.h5"))
        victim.symlink_to(target) if rng.random() < 0.7 else victim.mkdir()
    return root


ELSEWHERE = (
    f"../{OUTSIDE}",
    f"{{}}/{OUTSIDE}",
    f"x/../../{OUTSIDE}",
    "..",
    ".",
    "",
    "/",
    "scene_000002.h5/",
    "a" * 300,
)


def test_every_scene_file_is_read_or_refused(nursery: Nursery, share: Callable[[int], int], tmp_path: Path) -> None:
    expect_none_at_fault(nursery, Kind(write_scene_file, read_scene_file, (DatasetError,)), share(2000), tmp_path)


def test_every_recorded_folder_is_read_or_refused(
    nursery: Nursery, share: Callable[[int], int], tmp_path: Path
) -> None:
    expect_none_at_fault(nursery, Kind(write_folder, read_all, (DatasetError,)), share(1000), tmp_path)
