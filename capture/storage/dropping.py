"""Scenes that are taken out of a dataset, and brought back. Nothing is lost: they lie in its folder `dropped/`.

Both are done step by step, and cut off anywhere, the same call ends up the same: note, file, journal, dataset.json.
"""

from __future__ import annotations

import filecmp
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from capture.errors import StorageError
from capture.storage.disk_errors import explained
from capture.storage.index import put_into_index, read_index, remove_from_index
from capture.storage.journal import Journal
from capture.storage.lock import FolderLock
from capture.storage.names import DROPPED, DROPS, INDEX, LOCK, kept_journal, partial_folder
from datasets.atomic import sync
from datasets.recorded import RecordedDataset, read_scene
from datasets.scene_dataset import inside


def drop_scenes(root: Path, names: Sequence[str], reason: str = "") -> None:
    """Take scenes out of the dataset in `root`: files and journals go to `dropped/`, dataset.json lists them no more.

    A scene whose file is missing is only taken out of dataset.json. One that is out already stays out.

    Args:
        names: what scenes are called, `scene_000007`, or their files.
        reason: why, in words; kept in `dropped/dropped.jsonl`.

    Raises:
        StorageError: a recorder is at work there, there is no such scene, it is not finished, or the disk refuses.
        DatasetError: dataset.json is damaged, or names a file outside of the dataset.
    """
    with _locked(root):
        for file in _known(root, names):
            _expect_finished(root, file)
            _drop(root, file, reason)


def restore_scenes(root: Path, names: Sequence[str]) -> None:
    """Bring scenes back that were dropped, into the splits that they were in; or list such as dataset.json does not.

    Args:
        names: as for `drop_scenes`.

    Raises:
        StorageError: a recorder is at work there, there is no such scene, or the disk refuses.
        DatasetError: the scene's file or dataset.json is damaged.
    """
    with _locked(root):
        for file in _known(root, names):
            _restore(root, file)


def dropped_scenes(root: Path) -> dict[str, str]:
    """The scenes that are dropped, by name, and why. Raises StorageError."""
    notes = _notes(root)
    return {Path(file).stem: str(notes.get(file, {}).get("reason", "")) for file in _out(root)}


def _drop(root: Path, file: str, reason: str) -> None:
    _make(root / DROPPED)
    if not _is_noted(root, file):
        splits = [split for split, files in read_index(root).splits.items() if file in files]
        _note(root, "dropped", file=file, reason=reason, splits=splits)
    with explained(root / DROPPED):
        sync(root / DROPPED)  # the list of drops may be new; without it the scene's number would be given again
    _move(root / file, root / DROPPED / file)
    _move(*_journals(root, file))
    remove_from_index(root, file)


def _restore(root: Path, file: str) -> None:
    dropped = root / DROPPED / file
    views = read_scene(dropped if dropped.exists() else root / file).num_views
    _move(dropped, root / file)
    _move(*reversed(_journals(root, file)))
    put_into_index(root, file, views, _splits_before(root, file))
    if _is_noted(root, file):
        _note(root, "restored", file=file)


def _move(source: Path, target: Path) -> None:
    """Where there is something to move; it was before, where this was cut off."""
    if not source.exists():
        return
    _make(target.parent)
    with explained(target):
        same = target.exists() and filecmp.cmp(source, target, shallow=False)  # some disks do half of a renaming
    if target.exists() and not same:
        raise StorageError(f"{target}: is there already, and so is {source}; move one of them away")
    with explained(target):
        if same:
            target.unlink()  # where both are names of one file, a renaming does nothing
        os.replace(source, target)
        sync(target.parent)
        sync(source.parent)


def _make(folder: Path) -> None:
    """Its name is on the disk when this returns, also where it was made by a call that was cut off."""
    with explained(folder):
        folder.mkdir(exist_ok=True)
        sync(folder.parent)


def _journals(root: Path, file: str) -> tuple[Path, Path]:
    """Where a scene's journal lies while the scene belongs to the dataset, and while it is dropped."""
    name = Path(file).stem
    return kept_journal(root, name), kept_journal(root / DROPPED, name)


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    if not RecordedDataset.recognises(root) and not (root / DROPPED).is_dir():
        raise StorageError(f"{root}: holds no {INDEX} and no scene_*.h5; scenes are dropped from such datasets only")
    lock = FolderLock(root / LOCK)
    try:
        yield
    finally:
        lock.release()


def _known(root: Path, names: Sequence[str]) -> list[str]:
    """The files of scenes, dropped or not. Raises StorageError where one is not known, before any is touched."""
    files = {Path(file).stem: file for file in (*read_index(root).scenes, *_scene_files(root), *_out(root))}
    wanted = [Path(name).name.removesuffix(".h5") for name in names]
    for name in wanted:
        if name not in files:
            told = ", ".join(sorted(files)) if len(files) < 10 else f"{min(files)} to {max(files)}"
            raise StorageError(f"{root}: has no scene '{name}'; it has {told or 'none'}")
        inside(root, files[name], root / INDEX)
    return [files[name] for name in dict.fromkeys(wanted)]


def _expect_finished(root: Path, file: str) -> None:
    """Opening the folder to record would finish it, and so bring it back."""
    partial = partial_folder(root, Path(file).stem)
    if partial.exists():
        raise StorageError(f"{partial}: is not finished; first `lds capture resume {root}`, or `lds capture finish`")


def _scene_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("scene_*.h5"))


def _out(root: Path) -> list[str]:
    """The files of scenes that are dropped, or are about to be."""
    noted = (file for file, note in _notes(root).items() if note.get("event") == "dropped")
    return sorted({*_scene_files(root / DROPPED), *noted})


def _splits_before(root: Path, file: str) -> list[str]:
    """The splits that a scene was in when it was dropped; none where that was not noted."""
    splits = _notes(root).get(file, {}).get("splits")
    return [split for split in splits if isinstance(split, str)] if isinstance(splits, list) else []


def _is_noted(root: Path, file: str) -> bool:
    return _notes(root).get(file, {}).get("event") == "dropped"


def _notes(root: Path) -> dict[str, dict[str, Any]]:
    """What was noted last of each scene's file that was ever dropped."""
    journal = Journal(root / DROPPED / DROPS)
    notes = journal.read() if journal.path.exists() else []
    return {note["file"]: note for note in notes if isinstance(note.get("file"), str)}


def _note(root: Path, event: str, **facts: Any) -> None:
    journal = Journal(root / DROPPED / DROPS)
    if journal.path.exists():
        journal.repair()
    journal.append(event, **facts)
