"""The two ways in which synthesised scenes lie in a folder: our HDF5 files, or the official CLE-MV layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from datasets.scene import Scene
from datasets.scene_names import scene_name


class Layout(Protocol):
    """Where scenes lie, and what ties them together when all are there."""

    def index_file(self, out: Path) -> Path:
        """What only a finished dataset has."""
        ...

    def scene_file(self, out: Path, index: int) -> Path: ...

    def write(self, path: Path, scene: Scene) -> None:
        """Write one scene. `path` appears when it is whole, and nothing of the scene is missing then."""
        ...

    def finish(self, out: Path, kind: str, views: int, splits: Mapping[str, Sequence[int]]) -> None:
        """Write the index of all scenes; `splits` names them by their numbers."""
        ...


class RecordedLayout:
    """One HDF5 file a scene, and dataset.json."""

    def index_file(self, out: Path) -> Path:
        return out / "dataset.json"

    def scene_file(self, out: Path, index: int) -> Path:
        return out / f"{scene_name(index)}.h5"

    def write(self, path: Path, scene: Scene) -> None:
        from datasets.recorded import write_scene

        write_scene(path, scene)

    def finish(self, out: Path, kind: str, views: int, splits: Mapping[str, Sequence[int]]) -> None:
        from datasets.dataset_index import write_dataset_index

        files = {split: [self.scene_file(out, i).name for i in indices] for split, indices in splits.items()}
        scenes = {name: views for part in files.values() for name in part}
        write_dataset_index(out, out.name, kind, scenes, files)


class OfficialLayout:
    """One .npy file a scene, and an index a split. Each scene's entry of it waits in `scenes/` until all are there."""

    def index_file(self, out: Path) -> Path:
        return out / f"{out.resolve().name}_train.json"

    def scene_file(self, out: Path, index: int) -> Path:
        return out / "data" / f"CLEVR_new_{index:06d}.npy"

    def write(self, path: Path, scene: Scene) -> None:
        from datasets.clevr_mv_writer import write_clevr_mv_scene

        write_clevr_mv_scene(path, scene)

    def finish(self, out: Path, kind: str, views: int, splits: Mapping[str, Sequence[int]]) -> None:
        from datasets.clevr_mv_writer import write_clevr_mv_index

        for split, indices in reversed(list(splits.items())):  # train comes last: it tells that the dataset is finished
            if indices:
                write_clevr_mv_index(out, split, views, [self.scene_file(out, i) for i in indices])


LAYOUTS: dict[str, Layout] = {"h5": RecordedLayout(), "clevr": OfficialLayout()}
