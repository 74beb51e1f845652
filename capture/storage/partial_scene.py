"""The scene at work: a folder with one file a view and the journal. What lies in it is the truth, not the memory."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from capture.errors import StorageError
from capture.storage.disk_errors import explained
from capture.storage.journal import Journal
from capture.storage.names import partial_folder, view_file, view_files
from capture.storage.recorded_view import RecordedView, read_view, write_view
from datasets.atomic import sync
from datasets.scene import DatasetError
from datasets.scene_file import OWN_ATTRIBUTES

_JOURNAL = "journal.jsonl"
_FINAL = {"attributes": dict, "objects": list, "meta": dict}  # what a line that ends a scene tells
_OWN_EVENTS = ("begun", "stored", "adopted", "lost", "skipped", "finishing", "finished")


class PartialScene:
    """A scene that is being recorded, or that an interruption left.

    Attributes:
        name: `scene_000123`.
        path: its folder.
        plan: what `begin` was given.
        skipped: why views were given up, by index.
        final: what `finish` was given; None before.
    """

    def __init__(self, path: Path, hand_over: Callable[[PartialScene], None]) -> None:
        """Open the folder of a partial scene, and bring its journal in agreement with its view files.

        Args:
            hand_over: takes over the finished scene.

        Raises:
            StorageError: its journal is missing or has lost its first line, or the disk refuses to be read or written.
        """
        self.path, self.name = path, path.stem
        self.journal = Journal(path / _JOURNAL)
        self._hand_over = hand_over
        self.skipped: dict[int, str] = {}
        self.final: dict[str, Any] | None = None
        self._poses: dict[int, np.ndarray] = {}  # of the stored views
        self._layout: dict[str, Any] | None = None
        self.journal.repair()
        events = self.journal.read()
        if not events or events[0]["event"] != "begun" or not isinstance(events[0].get("plan"), dict):
            raise StorageError(f"{self.journal.path}: has lost its first line; move its folder to safety")
        self.plan: dict[str, Any] = events[0]["plan"]
        noted: set[int] = set()
        for event in events[1:]:
            self._replay(event, noted)
        self._agree_with_files(noted)

    @classmethod
    def begin(
        cls, root: Path, name: str, plan: Mapping[str, Any], hand_over: Callable[[PartialScene], None]
    ) -> PartialScene:
        """Make a new one. It appears with its journal's first line or not at all. Raises StorageError."""
        path = partial_folder(root, name)
        growing = path.with_name(f".{path.name}.writing")
        with explained(path):
            try:
                growing.mkdir()
                Journal(growing / _JOURNAL).append("begun", scene=name, plan=dict(plan))
                sync(growing)
                os.replace(growing, path)
            finally:
                shutil.rmtree(growing, ignore_errors=True)
            sync(root)
        return cls(path, hand_over)

    @property
    def stored(self) -> list[int]:
        """The indices of the views that are stored, rising."""
        return sorted(self._poses)

    @property
    def poses(self) -> list[np.ndarray]:
        """T_world_camera [4,4] of the stored views, in the order of `stored`."""
        return [self._poses[index] for index in self.stored]

    def store(self, index: int, view: RecordedView) -> None:
        """Store view `index` of the plan. It is on the disk when this returns.

        Raises:
            StorageError: the disk refuses it, or the view differs from the others in size or in what it holds.
        """
        self._expect_open(index)
        self._expect_layout(index, view)
        write_view(view_file(self.path, index), view)
        self.journal.append("stored", view=index, stamp=view.stamp, quality=dict(view.quality))
        self._take_in(index, view)

    def skip(self, index: int, reason: str) -> None:
        """Note that view `index` is given up, and why. It may yet be stored later. Raises StorageError."""
        self._expect_open(index)
        self.journal.append("skipped", view=index, reason=reason)
        self.skipped[index] = reason

    def note(self, event: str, **facts: Any) -> None:
        """Write anything else worth knowing into the journal. Raises StorageError."""
        if event in _OWN_EVENTS:
            raise ValueError(f"'{event}' is an event that storage itself writes")
        self.journal.append(event, **facts)

    def finish(
        self, attributes: Mapping[str, Any], objects: Sequence[Mapping[str, Any]], meta: Mapping[str, Any]
    ) -> None:
        """Let the scene become a file of the dataset, in the background. A scene without a view leaves its journal.

        It is finished even if this program ends now: then it happens when the folder is opened again.

        Args:
            attributes: flat facts about the recording (text, numbers, lists of text, lists of numbers).
            objects, meta: as in `Scene`.

        Raises:
            StorageError: these have no place in a scene file, the disk refuses, or an earlier scene could not be
                finished (which then remains, and is tried again when the folder is opened again).
        """
        self._expect_open()
        for name, value in attributes.items():
            if name in OWN_ATTRIBUTES or not _is_flat(value):
                raise StorageError(f"{self.path}: '{name}' cannot be an attribute with the value {value!r}")
        self.journal.append("finishing", attributes=dict(attributes), objects=list(objects), meta=dict(meta))
        self._replay(self.journal.read()[-1], set())  # what is finished is what would be after a crash
        self._hand_over(self)

    def views(self) -> dict[int, RecordedView]:
        """The stored views by index; one whose file is damaged is left out, and the journal says so.

        Raises:
            StorageError: the disk does not let them be read now.
        """
        views = {}
        for index in self.stored:
            try:
                views[index] = read_view(view_file(self.path, index))
            except DatasetError as error:
                self._lose(index, str(error))
        return views

    def _replay(self, event: dict[str, Any], noted: set[int]) -> None:
        """Take in one line of the journal; `noted` becomes the views that it says are stored.

        A line that lacks what it should tell is left out, as damaged ones are.
        """
        kind, index = event["event"], event.get("view")
        if kind == "finishing" and all(isinstance(event.get(name), what) for name, what in _FINAL.items()):
            self.final = {name: event[name] for name in _FINAL}
        elif not isinstance(index, int):
            return
        elif kind in ("stored", "adopted"):
            noted.add(index)
        elif kind == "lost":
            noted.discard(index)
        elif kind == "skipped":
            self.skipped[index] = str(event.get("reason"))

    def _agree_with_files(self, noted: set[int]) -> None:
        """Views that were written but not noted any more are adopted; those that cannot be read are not stored.

        Raises StorageError where one is of another size or kind than those before it: it was put there by hand.
        """
        files = view_files(self.path)
        for index in sorted(noted - files.keys()):
            self._lose(index, "its file is missing")
        for index, path in files.items():
            try:
                view = read_view(path)
            except DatasetError as error:
                if index in noted:
                    self._lose(index, str(error))
                continue
            self._expect_layout(index, view)
            if index not in noted:
                self.journal.append("adopted", view=index)
            self._take_in(index, view)

    def _take_in(self, index: int, view: RecordedView) -> None:
        self._layout = view.layout
        self._poses[index] = view.T_world_camera
        self.skipped.pop(index, None)

    def _lose(self, index: int, reason: str) -> None:
        self.journal.append("lost", view=index, reason=reason)
        self._poses.pop(index, None)

    def _expect_open(self, index: int | None = None) -> None:
        if self.final is not None:
            raise ValueError(f"{self.name} has been finished")
        if index in self._poses:
            raise ValueError(f"view {index} of {self.name} is stored already")

    def _expect_layout(self, index: int, view: RecordedView) -> None:
        if self._layout is None or self._layout == view.layout:
            return
        differing = [name for name, shape in view.layout.items() if shape != self._layout[name]]
        told = ", ".join(f"{name} {view.layout[name]} after {self._layout[name]}" for name in differing)
        raise StorageError(
            f"{self.path}: view {index} differs from the views before it ({told}); "
            f"all views of a scene come from one camera in one mode"
        )


def _is_flat(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(all(isinstance(item, kind) for item in value) for kind in (str, Real))
    return isinstance(value, str | Real)
