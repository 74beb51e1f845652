"""Open any dataset by its folder or file: the loader is found by what lies there."""

from __future__ import annotations

from pathlib import Path

from datasets.clevr_mv import ClevrMvDataset
from datasets.gqn_jaco import GqnJacoDataset
from datasets.hdf5 import open_hdf5
from datasets.hdf5_dataset import Hdf5Dataset, hdf5_files
from datasets.multi_object import MultiObjectDataset
from datasets.recorded import RecordedDataset
from datasets.recording_facts import unfinished_scenes
from datasets.scene import DatasetError
from datasets.scene_dataset import SceneDataset

LOADERS: dict[str, type[SceneDataset]] = {
    loader.format: loader for loader in (RecordedDataset, ClevrMvDataset, GqnJacoDataset, MultiObjectDataset)
}


def open_dataset(path: str | Path, split: str | None = None) -> SceneDataset:
    """Open the dataset in the folder, or in the HDF5 file, `path`; scenes are read when they are asked for.

    Args:
        split: `train`, `test`, ... as the dataset has them, or None for the scenes of all splits.

    Raises:
        DatasetError: there is nothing, no loader knows it, its index is bad, or the split is missing or empty.
    """
    root = Path(path)
    if not root.exists():
        raise DatasetError(f"{root}: no such folder")
    loader = find_loader(root)
    if loader is None:
        raise _unknown(root)
    dataset = loader(root, split)
    if len(dataset) == 0:
        elsewhere = ", ".join(f"{count} in '{name}'" for name, count in dataset.splits.items() if count)
        hint = f"; there are {elsewhere}" if elsewhere else ""
        raise DatasetError(f"{root}: {f'its split {split!r}' if split else 'the dataset'} holds no scenes{hint}")
    return dataset


def find_loader(path: Path) -> type[SceneDataset] | None:
    """The loader that knows the dataset in a folder, or in a file; None where there is none."""
    may_be_a_file = [loader for loader in LOADERS.values() if path.is_dir() or issubclass(loader, Hdf5Dataset)]
    return next((loader for loader in may_be_a_file if loader.recognises(path)), None)


def _unknown(root: Path) -> DatasetError:
    for file in hdf5_files(root):
        with open_hdf5(file):  # a damaged file is what there is to tell
            pass
    if root.is_file():
        known = "; ".join(loader.layout for loader in LOADERS.values() if issubclass(loader, Hdf5Dataset))
        return DatasetError(f"{root}: is a file; give the dataset's folder. Files that are datasets are: {known}")
    if unfinished_scenes(root):
        return DatasetError(f"{root}: holds only an interrupted recording; go on with it: lds capture resume {root}")
    return DatasetError(f"{root}: no dataset known here. {_what_was_looked_for(root)}")


def _what_was_looked_for(root: Path) -> str:
    looked = "; ".join(f"{name}: {loader.layout}" for name, loader in LOADERS.items())
    folders = (folder for folder in sorted(root.iterdir()) if folder.is_dir())
    nearby = [str(folder) for folder in (*folders, root.absolute().parent) if find_loader(folder)]
    hint = f" Did you mean {' or '.join(nearby[:3])}?" if nearby else ""
    return f"Looked for: {looked}.{hint}"
