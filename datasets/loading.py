"""Open any dataset by its folder: the loader is found by what lies there."""

from __future__ import annotations

from pathlib import Path

from datasets.clevr_mv import ClevrMvDataset
from datasets.recorded import RecordedDataset
from datasets.recording_facts import unfinished_scenes
from datasets.scene import DatasetError
from datasets.scene_dataset import SceneDataset

LOADERS: dict[str, type[SceneDataset]] = {loader.format: loader for loader in (RecordedDataset, ClevrMvDataset)}


def open_dataset(path: str | Path, split: str | None = None) -> SceneDataset:
    """Open the dataset in the folder `path`; scenes are read when they are asked for.

    Args:
        split: `train`, `test`, ... as the dataset has them, or None for the scenes of all splits.

    Raises:
        DatasetError: there is no such folder, no loader knows it, its index is bad, or the split is missing or empty.
    """
    root = Path(path)
    if not root.exists():
        raise DatasetError(f"{root}: no such folder")
    if not root.is_dir():
        raise DatasetError(f"{root}: is a file; give the dataset's folder")
    for loader in LOADERS.values():
        if loader.recognises(root):
            dataset = loader(root, split)
            if len(dataset) == 0:
                raise DatasetError(f"{root}: {f'its split {split!r}' if split else 'the dataset'} holds no scenes")
            return dataset
    if unfinished_scenes(root):
        raise DatasetError(f"{root}: holds only an interrupted recording; go on with it: lds capture resume {root}")
    raise DatasetError(f"{root}: no dataset known here. {_what_was_looked_for(root)}")


def _what_was_looked_for(root: Path) -> str:
    looked = "; ".join(f"{name}: {loader.layout}" for name, loader in LOADERS.items())
    folders = (folder for folder in sorted(root.iterdir()) if folder.is_dir())
    nearby = [str(f) for f in (*folders, root.absolute().parent) if any(x.recognises(f) for x in LOADERS.values())]
    hint = f" Did you mean {' or '.join(nearby[:3])}?" if nearby else ""
    return f"Looked for: {looked}.{hint}"
