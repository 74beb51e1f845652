"""What lies where in a folder that is recorded into.

dataset.json  scene_000000.h5 ...   finished scenes, as datasets.recorded reads them
journals/scene_000000.jsonl ...     what happened while each of them was recorded
scene_000001.partial/               the scene at work: journal.jsonl, view_000000.npz ...
session.json                        what was asked for
dropped/scene_000002.h5 ...         what was taken out of the dataset; dropped.jsonl tells why, journals/ as above
.recorder.lock                      held by the recorder that is at work
"""

from __future__ import annotations

import re
from pathlib import Path

from datasets.scene_names import scene_number

INDEX = "dataset.json"
JOURNALS = "journals"
DROPPED = "dropped"
DROPS = "dropped.jsonl"  # in that folder
LOCK = ".recorder.lock"
SESSION = "session.json"

_SUFFIXES = {"h5", "partial", "jsonl"}
_VIEW = re.compile(r"view_(\d+)\.npz")


def number_of(file: str) -> int | None:
    """The scene's number in the name of one of its files or folders; None where it is no such name."""
    name, _, suffix = file.rpartition(".")
    return scene_number(name) if suffix in _SUFFIXES else None


def scene_file(root: Path, name: str) -> Path:
    return root / f"{name}.h5"


def partial_folder(root: Path, name: str) -> Path:
    return root / f"{name}.partial"


def kept_journal(root: Path, name: str) -> Path:
    return root / JOURNALS / f"{name}.jsonl"


def view_file(folder: Path, index: int) -> Path:
    return folder / f"view_{index:06d}.npz"


def view_files(folder: Path) -> dict[int, Path]:
    """The view files in a partial scene's folder by index, in order."""
    found = {int(match[1]): path for path in folder.iterdir() if (match := _VIEW.fullmatch(path.name))}
    return dict(sorted(found.items()))
