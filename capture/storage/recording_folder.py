"""The folder of a dataset that is being recorded: finished scenes, the scene at work, and one recorder at a time."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from capture.errors import StorageError
from capture.storage.background import BackgroundFinisher
from capture.storage.disk_errors import explained
from capture.storage.dropping import dropped_scenes
from capture.storage.finishing import finish_scene, remove_finished
from capture.storage.index import KIND, list_unlisted, read_index
from capture.storage.journal import as_json
from capture.storage.lock import FolderLock
from capture.storage.names import INDEX, JOURNALS, LOCK, SESSION, kept_journal, number_of, scene_file
from capture.storage.partial_scene import PartialScene
from capture.storage.space import require_space
from datasets.atomic import make_folder, whole_file
from datasets.json_file import read_json
from datasets.loading import LOADERS
from datasets.recorded import RecordedDataset
from datasets.scene_names import scene_name


class RecordingFolder:
    """A context manager. On entry it takes the folder's lock and completes what an interruption left half done.

    Attributes:
        root: the dataset's folder; made where there is none.
        notices: what was found at opening that the operator should know.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self.notices: list[str] = []
        self._unfinished: list[PartialScene] = []

    def __enter__(self) -> RecordingFolder:
        """Raises StorageError: another recorder is at work there, the dataset was not recorded, the disk refuses."""
        _refuse_foreign(self.root)
        _make(self.root)
        self._lock = FolderLock(self.root / LOCK)
        try:
            self._recover()
        except BaseException:
            self._lock.release()
            raise
        self._finisher = BackgroundFinisher(lambda scene: finish_scene(self.root, scene))
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Waits for scenes that are being finished. A scene at work stays, to be continued. Raises StorageError."""
        try:
            self._finisher.close()
        except StorageError as failure:
            if error is None:
                raise
            error.add_note(str(failure))
        finally:
            self._lock.release()

    @property
    def finished(self) -> list[str]:
        """The names of the scenes whose files are whole, in order."""
        return sorted(path.stem for path in self.root.glob("scene_*.h5"))

    @property
    def recorded(self) -> int:
        """How many scenes were finished here ever: also those that were dropped from the dataset since."""
        return len({*self.finished, *self._dropped})

    @property
    def interrupted(self) -> PartialScene | None:
        """The scene that was begun and not finished; None where there is none."""
        return self._unfinished[0] if self._unfinished else None

    @property
    def session(self) -> dict[str, Any] | None:
        """What `save_session` was given last, by whichever process. Raises StorageError."""
        path = self.root / SESSION
        with explained(path):
            return read_json(path, "remove it, then record instead of resuming") if path.exists() else None

    def save_session(self, session: Mapping[str, Any]) -> None:
        """Keep what was asked for, to be resumed after an interruption. Raises StorageError."""
        path = self.root / SESSION
        with explained(path), whole_file(path) as temporary:
            temporary.write_text(as_json(dict(session), path) + "\n", encoding="utf-8")

    def begin_scene(self, plan: Mapping[str, Any], views: int, bytes_per_view: int) -> PartialScene:
        """Begin the next scene.

        Args:
            plan: whatever is needed to go on after an interruption; kept in the scene's journal.
            views, bytes_per_view: how many there will be, and `space.view_bytes` of one of them.

        Raises:
            StorageError: there is no room for it, another one is unfinished, the disk refuses, or a scene before it
                could not be finished (that one remains, and is tried again when the folder is opened again).
        """
        self._finisher.collect()
        if self.interrupted:
            raise StorageError(f"{self.interrupted.path}: is not finished; continue it, or finish it as it is")
        require_space(self.root, views, bytes_per_view, self._finisher.waiting)
        scene = PartialScene.begin(self.root, scene_name(self._next_number), plan, self._hand_over)
        self._next_number += 1
        self._unfinished.append(scene)
        return scene

    def continue_scene(self) -> PartialScene:
        """Go on with the interrupted scene. Raises StorageError where there is none."""
        self._finisher.collect()
        if not self.interrupted:
            raise StorageError(f"{self.root}: holds no interrupted scene; record a new one")
        self.interrupted.note("continued")
        return self.interrupted

    def _hand_over(self, scene: PartialScene) -> None:
        self._unfinished.remove(scene)
        self._finisher.submit(scene)

    def _recover(self) -> None:
        with explained(self.root):
            _clear_temporaries(self.root)
            partials = sorted(self.root.glob("scene_*.partial"))
            folders = (self.root, self.root / JOURNALS)
            names = [path.name for folder in folders for path in folder.glob("scene_*")]
        for path in partials:
            if kept_journal(self.root, path.stem).exists():
                remove_finished(self.root, path.stem)
            else:
                self._recover_scene(PartialScene(path, self._hand_over))
        self.notices += list_unlisted(self.root)
        self._dropped = dropped_scenes(self.root)
        names += [*read_index(self.root).scenes, *(scene_file(self.root, name).name for name in self._dropped)]
        numbers = (number_of(name) for name in names)
        self._next_number = 1 + max((number for number in numbers if number is not None), default=-1)

    def _recover_scene(self, scene: PartialScene) -> None:
        if scene.final is None:
            self._unfinished.append(scene)
            return
        finish_scene(self.root, scene)
        self.notices.append(f"{scene.name} had been recorded but not put into the dataset; now it is")


def _refuse_foreign(root: Path) -> None:
    """Raises StorageError where the folder holds a dataset that was not recorded."""
    with explained(root):
        kind = read_index(root).kind
        if not (root / INDEX).exists() and root.is_dir():
            foreign = (name for name, loader in LOADERS.items() if loader is not RecordedDataset)
            kind = next((name for name in foreign if LOADERS[name].recognises(root)), KIND)
    if kind != KIND:
        raise StorageError(f"{root}: holds a dataset of kind '{kind}', not a recorded one; record into another folder")


def _make(root: Path) -> None:
    """Make the folder, with those above and in it; they are on the disk when this returns. Raises StorageError."""
    with explained(root):
        make_folder(root / JOURNALS)


def _clear_temporaries(root: Path) -> None:
    """Remove what was being written when an interruption came; none of it had its name yet."""
    for path in (*root.glob(".*.writing"), *root.glob("scene_*.partial/.*.writing")):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
