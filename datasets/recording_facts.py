"""What a recording left beside its pictures: quality values, skipped views, the journal, unfinished scenes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datasets.recorded import read_per_view
from datasets.scene import DatasetError
from datasets.scene_dataset import SceneDataset
from datasets.scene_file import open_scene_file

QUALITY = "quality/"
SHOWN_DIGEST = 16  # hexadecimal digits


@dataclass(frozen=True)
class RecordingFacts:
    """Of one scene.

    Attributes:
        facts: flat facts (robot, camera, calibration digest, ...).
        quality: measure's name -> values [V].
        skipped: viewpoints that gave no view: `view` (the viewpoint's number) and `reason`.
        view_numbers: the viewpoint's number of each view [V]; empty where they are not told.
        journal: events in order, as the recorder wrote them.
    """

    facts: dict[str, Any]
    quality: dict[str, np.ndarray]
    skipped: list[dict[str, Any]]
    view_numbers: list[int]
    journal: list[dict[str, Any]]

    @classmethod
    def none(cls) -> RecordingFacts:
        """Of a scene that no recorder made."""
        return cls({}, {}, [], [], [])

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
        facts, meta = file.facts(), file.json("meta", dict)
    per_view = {name: value for name, value in read_per_view(path).items() if name.startswith(QUALITY)}
    quality = {name.removeprefix(QUALITY): value for name, value in per_view.items() if value.ndim == 1}
    journal = path.parent / "journals" / f"{path.stem}.jsonl"
    try:
        skipped = [{"view": int(s["view"]), "reason": str(s["reason"])} for s in meta.get("skipped_views", [])]
        numbers = [int(number) for number in meta.get("view_numbers", [])]
    except (TypeError, ValueError, KeyError, OverflowError) as error:  # the last of an infinite number
        raise DatasetError(f"{path}: skipped_views or view_numbers are not as recorders write them") from error
    return RecordingFacts(facts, quality, skipped, numbers, _read_journal(journal))


def recorded_files(dataset: SceneDataset) -> list[Path]:
    """The files that have such facts, one for each scene in order; none where scenes were not recorded by lds."""
    return dataset.files() if dataset.format == "recorded" else []


def readable(facts: dict[str, Any]) -> dict[str, str]:
    """Facts as people read them; matrices are left out, and of digests the end."""
    told = {}
    for name, value in facts.items():
        if isinstance(value, list) or value == "":
            continue
        text = f"{value:.4g}" if isinstance(value, float) else str(value)
        told[name.replace("_", " ")] = text[:SHOWN_DIGEST] if name.endswith("digest") else text
    return told


def unfinished_scenes(root: Path) -> list[Path]:
    """Folders of scenes whose recording was interrupted."""
    return sorted(path for path in root.glob("*.partial") if path.is_dir())


def _read_journal(path: Path) -> list[dict[str, Any]]:
    """The lines that are whole: power may fail while one is written."""
    if not path.is_file():
        return []
    events = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict):
            events.append(event)
    return events
