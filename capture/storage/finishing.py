"""From a partial scene to a file of the dataset. Wherever it is cut off, done once more it ends up the same."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from capture.storage.disk_errors import explained
from capture.storage.index import add_to_index
from capture.storage.names import kept_journal, partial_folder, scene_file
from capture.storage.partial_scene import PartialScene
from capture.storage.recorded_view import RecordedView
from datasets.atomic import sync
from datasets.recorded import read_scene, write_scene
from datasets.scene import Scene


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


def _write(file: Path, scene: PartialScene, views: Mapping[int, RecordedView]) -> None:
    if scene.final is None:
        raise ValueError(f"{scene.name} has not been finished")
    taken = list(views.values())
    skipped = [{"view": index, "reason": reason} for index, reason in sorted(scene.skipped.items())]
    content = Scene(
        name=scene.name,
        images=_stack(taken, "image"),
        T_world_camera=_stack(taken, "T_world_camera"),
        K=_stack(taken, "K"),
        distortion=_stack(taken, "distortion"),
        masks=_stack_known(taken, "truth"),
        depth=_stack_known(taken, "depth"),
        stamps=_stack(taken, "stamp"),
        objects=scene.final["objects"],
        meta={**scene.final["meta"], "view_numbers": list(views), "skipped_views": skipped},
    )
    per_view = _quality(taken)
    if (joint_positions := _stack_known(taken, "joint_positions")) is not None:
        per_view["joint_positions"] = joint_positions
    write_scene(file, content, scene.final["attributes"], per_view)


def _stack(views: Sequence[RecordedView], name: str) -> np.ndarray:
    """An attribute of all views, [V,...]."""
    return np.stack([getattr(view, name) for view in views])


def _stack_known(views: Sequence[RecordedView], name: str) -> np.ndarray | None:
    """An attribute that all views have, or none; None where they have it not."""
    return None if getattr(views[0], name) is None else _stack(views, name)


def _quality(views: Sequence[RecordedView]) -> dict[str, np.ndarray]:
    """Every measure over the views; NaN where a view has none of that name."""
    names = {name for view in views for name in view.quality}
    return {f"quality/{name}": np.array([view.quality.get(name, np.nan) for view in views]) for name in sorted(names)}
