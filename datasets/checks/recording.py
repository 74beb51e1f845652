"""What the recorder wrote beside the pictures, and what an interruption left in the folder."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np

from datasets.checks.findings import Findings, listed
from datasets.recording_facts import RecordingFacts, recording_facts, unfinished_scenes
from datasets.scene_dataset import SPLITS, SceneDataset

SOFT = 0.3  # of the scene's median sharpness; a view below it is worth a look
SHARES = ("overexposed", "underexposed")  # measures that are shares of the picture


def check_folder(findings: Findings, dataset: SceneDataset, files: list[Path]) -> None:
    """Scenes that are not in the dataset yet, or in two of its splits; `files` are those that are in it."""
    for partial in unfinished_scenes(dataset.root):
        findings.notes.append(
            f"{partial}: an interrupted recording; its views are safe, go on with it: lds capture resume {dataset.root}"
        )
    if dataset.split is None:
        unlisted = {path.name for path in dataset.root.glob("scene_*.h5")} - {path.name for path in files}
        if unlisted:
            remedy = f"to list them: lds data restore {dataset.root} NAME ..."
            findings.notes.append(f"{dataset.root}: dataset.json does not list {listed(sorted(unlisted))}; {remedy}")
        findings.problems += _in_two_splits(dataset)


def _in_two_splits(dataset: SceneDataset) -> list[str]:
    files = {split: type(dataset)(dataset.root, split).files() for split in SPLITS if split in dataset.splits}
    shared = {(a, b): sorted(path.stem for path in {*files[a]} & {*files[b]}) for a, b in combinations(files, 2)}
    return [
        f"{dataset.root}/dataset.json: lists in '{a}' and in '{b}': {listed(scenes)}; take what is in both out of one"
        for (a, b), scenes in shared.items()
        if scenes
    ]


def check_recording(findings: Findings, path: Path) -> None:
    """Quality values that cannot be, and views that were skipped, in a scene file.

    Raises:
        DatasetError: the scene file cannot be read.
    """
    recording, name = recording_facts(path), path.stem
    findings.problems += [f"{name}: {problem}" for problem in _quality_problems(recording)]
    findings.notes += [f"{name}: {note}" for note in _quality_notes(recording)]
    if recording.skipped:
        reasons = listed(f"viewpoint {entry['view']} ({entry['reason']})" for entry in recording.skipped)
        findings.notes.append(f"{name}: skipped {reasons}")


def _quality_problems(recording: RecordingFacts) -> list[str]:
    problems = []
    for measure, values in recording.quality.items():
        wrong = np.isinf(values)  # NaN: the view has no such value
        if measure in SHARES:
            wrong |= (values < 0) | (values > 1)
        if measure == "sharpness":
            wrong |= values < 0
        if wrong.any():
            problems.append(f"quality value '{measure}' cannot be in views {listed(np.flatnonzero(wrong))}")
    return problems


def _quality_notes(recording: RecordingFacts) -> list[str]:
    if not recording.quality:
        return ["has no quality values"] if recording.by_a_robot else []
    sharpness = recording.quality.get("sharpness")
    if sharpness is None:
        return []
    soft = np.flatnonzero(sharpness < SOFT * np.nanmedian(sharpness))
    return [f"much less sharp than the others in views {listed(soft)}"] if len(soft) else []
