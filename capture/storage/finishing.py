"""From a partial scene to a file of the dataset. Wherever it is cut off, done once more it ends up the same."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from capture.storage.names import INDEX, kept_journal, partial_folder, scene_file, scene_number
from capture.storage.partial_scene import PartialScene
from capture.storage.recorded_view import RecordedView
from capture.storage.space import explained
from datasets.atomic import sync
from datasets.dataset_index import DatasetIndex, read_dataset_index, write_dataset_index
from datasets.recorded import read_scene, write_scene
from datasets.scene import DatasetError, Scene

KIND = "recorded"
TEST_EVERY = 10  # of ten scene numbers in a row the last one is for testing, whatever else is recorded later


def finish_scene(root: Path, scene: PartialScene) -> None:
    """Write the scene's file, list it in dataset.json, keep its journal, remove its folder; in this order.

    Views are in the order in which they were taken. The scene's `meta` gains `view_numbers`, the plan's number of each
    view, and `skipped_views`, a list of {"view": number, "reason": words}.

    Raises:
        StorageError: the disk refuses; what was there before is still there.
    """
    views = dict(sorted(scene.views().items(), key=lambda view: view[1].stamp))  # some were put off and taken later
    if views:
        file = scene_file(root, scene.name)
        with explained(file, sum(view.nbytes for view in views.values())):
            _write(file, scene, views)
            read_scene(file)  # proves that it can be read, before its views are let go
            add_to_index(root, {file.name: len(views)})
    scene.journal.append("finished", views=list(views))
    kept = kept_journal(root, scene.name)
    with explained(kept):
        os.replace(scene.journal.path, kept)
        sync(kept.parent)
    remove_finished(root, scene.name)


def remove_finished(root: Path, name: str) -> None:
    """Remove the folder of a scene whose file and journal are in their places. Raises StorageError."""
    folder = partial_folder(root, name)
    with explained(folder):
        shutil.rmtree(folder)
        sync(root)


def list_unlisted(root: Path) -> list[str]:
    """List the scene files that dataset.json does not name; what is wrong with those that cannot be read, in words.

    Raises:
        StorageError: dataset.json is damaged or cannot be written.
    """
    with explained(root / INDEX):
        listed = read_dataset_index(root).scenes if (root / INDEX).exists() else {}
        found, problems = {}, []
        for path in sorted(root.glob("scene_*.h5")):
            if path.name not in listed and scene_number(path.name) is not None:
                try:
                    found[path.name] = read_scene(path).num_views
                except DatasetError as error:
                    problems.append(f"not listed in {INDEX}: {error}")
        if found:
            add_to_index(root, found)
    return problems


def add_to_index(root: Path, scenes: Mapping[str, int]) -> None:
    """List scene files with their numbers of views. The splits of files that are listed stay. Raises DatasetError."""
    new = DatasetIndex(root.resolve().name, KIND, {}, {"train": [], "test": []})
    index = read_dataset_index(root) if (root / INDEX).exists() else new
    splits = {split: list(files) for split, files in index.splits.items()}
    for file in sorted(scenes.keys() - index.scenes.keys()):
        split = "test" if scene_number(file) % TEST_EVERY == TEST_EVERY - 1 else "train"
        splits.setdefault(split, []).append(file)
    write_dataset_index(root, index.name, index.kind, dict(sorted({**index.scenes, **scenes}.items())), splits)


def _write(file: Path, scene: PartialScene, views: Mapping[int, RecordedView]) -> None:
    def over_views(name: str) -> np.ndarray | None:
        values = [getattr(view, name) for view in views.values()]
        return None if values[0] is None else np.stack(values)

    skipped = [{"view": index, "reason": reason} for index, reason in sorted(scene.skipped.items())]
    content = Scene(
        name=scene.name,
        images=over_views("image"),
        T_world_camera=over_views("T_world_camera"),
        K=over_views("K"),
        distortion=over_views("distortion"),
        masks=over_views("truth"),
        depth=over_views("depth"),
        stamps=over_views("stamp"),
        objects=scene.final["objects"],
        meta={**scene.final["meta"], "view_numbers": list(views), "skipped_views": skipped},
    )
    per_view = _quality(list(views.values()))
    if (joint_positions := over_views("joint_positions")) is not None:
        per_view["joint_positions"] = joint_positions
    write_scene(file, content, scene.final["attributes"], per_view)


def _quality(views: Sequence[RecordedView]) -> dict[str, np.ndarray]:
    """Every measure over the views; NaN where a view has none of that name."""
    names = {name for view in views for name in view.quality}
    return {f"quality/{name}": np.array([view.quality.get(name, np.nan) for view in views]) for name in sorted(names)}
