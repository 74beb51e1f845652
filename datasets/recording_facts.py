"""What a recording left beside its pictures: quality values, skipped views, the journal, unfinished scenes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datasets.recorded import read_per_view
from datasets.scene import DatasetError
from datasets.scene_file import open_scene_file

QUALITY = "quality/"


@dataclass(frozen=True)
class RecordingFacts:
    """Of one scene.

    Attributes:
        facts: flat facts (robot, camera, calibration digest, ...).
        quality: measure's name -> values [V].
        skipped: viewpoints that gave no view: `view` (the viewpoint's number) and `reason`.
        journal: events in order, as the recorder wrote them.
    """

    facts: dict[str, Any]
    quality: dict[str, np.ndarray]
    skipped: list[dict[str, Any]]
    journal: list[dict[str, Any]]

    @property
    def by_a_robot(self) -> bool:
        """Whether a recorder made it, and not a synthesiser or a converter."""
        return "robot" in self.facts


def recording_facts(path: Path) -> RecordingFacts:
    """What was recorded beside the pictures of the scene in the file `path`.

    Raises:
        DatasetError: the scene file cannot be read.
    """
    with open_scene_file(path) as file:
        facts = file.facts()
    per_view = {name: value for name, value in read_per_view(path).items() if name.startswith(QUALITY)}
    quality = {name.removeprefix(QUALITY): value for name, value in per_view.items() if value.ndim == 1}
    journal = path.parent / "journals" / f"{path.stem}.jsonl"
    return RecordingFacts(facts, quality, _skipped(path, facts.pop("skipped", "[]")), _read_journal(journal))


def unfinished_scenes(root: Path) -> list[Path]:
    """Folders of scenes whose recording was interrupted."""
    return sorted(path for path in root.glob("*.partial") if path.is_dir())


def _skipped(path: Path, text: Any) -> list[dict[str, Any]]:
    try:
        listed = json.loads(text)
        return [{"view": int(entry["view"]), "reason": str(entry["reason"])} for entry in listed]
    except (TypeError, ValueError, KeyError) as error:
        raise DatasetError(f"{path}: its attribute 'skipped' is no list of views and reasons; record it again") from error


def _read_journal(path: Path) -> list[dict[str, Any]]:
    """The lines that are whole: power may fail while one is written."""
    if not path.is_file():
        return []
    events = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            events.append(event)
    return events
