"""Any dataset as a recorded one: one HDF5 file a scene, with the splits that it had."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from datasets.dataset_index import write_dataset_index
from datasets.loading import open_dataset
from datasets.recorded import RecordedDataset, refuse_scenes, write_scene
from datasets.scene import DatasetError
from datasets.scene_names import scene_name


def convert_dataset(source: Path, out: Path, progress: Callable[[int], None] = lambda scenes: None) -> dict[str, int]:
    """Write the scenes of the dataset in `source` to the folder `out`, all that they hold; says how many of each split.

    Scenes get running numbers; what they were called is kept in their `meta` as `converted_from`.

    Args:
        progress: called with the number of scenes written since its last call.

    Raises:
        DatasetError: the source is bad or is a recorded dataset already, or `out` cannot be written or holds scenes.
    """
    whole = open_dataset(source)
    if isinstance(whole, RecordedDataset):
        raise DatasetError(f"{source}: holds recorded scenes, the form that others are converted to; copy the folder")
    refuse_scenes(out)
    splits: dict[str, list[str]] = {}
    views: dict[str, int] = {}
    for split in whole.splits:
        splits[split] = []
        for scene in open_dataset(source, split) if whole.splits[split] else ():
            name = scene_name(len(views))
            meta = {**scene.meta, "converted_from": scene.name}
            if not views:  # until all are there, no command takes a part, split by numbers, for the dataset
                write_dataset_index(out, whole.name, whole.kind, {}, {})
            write_scene(out / f"{name}.h5", replace(scene, name=name, meta=meta))
            views[f"{name}.h5"] = scene.num_views
            splits[split].append(f"{name}.h5")
            progress(1)
    write_dataset_index(out, whole.name, whole.kind, views, splits)
    return {split: len(files) for split, files in splits.items()}
