"""An evaluation as files that other programs read, metrics.json and per_image.csv: written, and read back."""

from __future__ import annotations

import csv
import json
import math
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from datasets.atomic import whole_file
from datasets.json_file import read_json
from datasets.scene import DatasetError
from lds_models.evaluation import Evaluation
from lds_models.measures import metrics_of

# What every evaluation tells in metrics.json and in per_image.csv.
DOCUMENT = (
    "weights", "weights_digest", "data", "data_digest", "split", "seed", "batch_size", "command", "images", "scenes",
    "metrics",
)  # fmt: skip
KINDS = {  # of what evaluations are told apart and compared by
    **dict.fromkeys(("weights", "weights_digest", "data", "data_digest", "split"), str),
    **dict.fromkeys(("images", "scenes"), int),
    **dict.fromkeys(("slots", "observe", "gap_samples"), int | None),
}
LONGEST = 1000  # characters
COLUMNS = ("scene", "view", "mse")
MOST_VIEWS = 2**31  # of a scene


@dataclass(frozen=True)
class Provenance:
    """What was evaluated on what, and how to do it again.

    Attributes:
        weights, data: as they were given; the digests are of their content.
        image_size: pixels a side that the model takes.
        source_size: (height, width) of the dataset's own images, which are cropped and resized where they differ;
            None where it is not known.
        observe: how many views of a scene a multi-view model is shown; None for a single-view one.
        slots: K, where it was another than in training.
        gap_samples: posterior samples that the inference gap was estimated from; None where it was not measured.
    """

    weights: str
    weights_digest: str
    data: str
    data_digest: str
    split: str
    image_size: int
    source_size: tuple[int, int] | None
    seed: int
    observe: int | None
    batch_size: int
    device: str
    command: str
    slots: int | None = None
    gap_samples: int | None = None

    @property
    def resized(self) -> bool:
        return self.source_size not in (None, (self.image_size, self.image_size))


def software_versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    return {"python": platform.python_version()} | {name: version(name) for name in ("torch", "numpy", "scipy")}


def write_metrics(evaluation: Evaluation, provenance: Provenance, path: Path) -> None:
    """Write metrics.json. A measure that could not be taken is null; its names and form are stable."""
    document = {
        **asdict(provenance),
        "images": evaluation.num_images,
        "scenes": evaluation.num_scenes,
        "metrics": {
            name: finite(asdict(interval)) if (interval := evaluation.metrics.get(name)) else None
            for name in metrics_of(evaluation.multi_view, gap=True)
        },
        "sweeps": {name: asdict(sweep) for name, sweep in evaluation.sweeps.items()},
        "warnings": list(evaluation.warnings),
        "versions": software_versions(),
    }
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n")


def write_rows(evaluation: Evaluation, path: Path) -> None:
    """Write per_image.csv: one line an image; a cell is empty where the measure is not defined."""
    columns = [column.tolist() for column in evaluation.rows.values()]
    write_table(path, evaluation.rows, zip(*columns, strict=True))


def write_table(path: Path, header: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a CSV file. Cells of numbers that are not finite are empty."""

    def cell(value: Any) -> Any:
        if isinstance(value, float):
            return f"{value:.9g}" if math.isfinite(value) else ""
        return value

    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows([cell(value) for value in row] for row in rows)


def finite(value: Any) -> Any:
    """What JSON has a place for: numbers that are not finite become None, at every depth of dictionaries."""
    if isinstance(value, dict):
        return {name: finite(part) for name, part in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_evaluation(folder: Path) -> dict[str, Any]:
    """The metrics.json that `lds eval` wrote into a folder.

    Raises:
        DatasetError: it cannot be read, or is not whole.
    """
    path = folder / "metrics.json"
    document = read_json(path, "give a folder that `lds eval --out FOLDER` has written")
    missing = [key for key in DOCUMENT if not isinstance(document, dict) or key not in document]
    if missing:
        raise DatasetError(f"{path}: lacks {', '.join(missing)}; run `lds eval` again")
    wrong = [key for key, kind in KINDS.items() if not isinstance(document.get(key), kind)]
    wrong += [key for key in KINDS if len(str(document.get(key))) > LONGEST]
    if wrong:
        raise DatasetError(f"{path}: {wrong[0]} is not what `lds eval` writes; run it again")
    return document


def read_rows(folder: Path) -> dict[str, np.ndarray]:
    """The per_image.csv that `lds eval` wrote into a folder, by column: one value an image.

    Values are float64 [N], NaN where a cell is empty; those of `scene` are text.

    Raises:
        DatasetError: it cannot be read, or is not whole.
    """
    path = folder / "per_image.csv"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        columns = {
            name: np.array(cells) if name == "scene" else np.array([float(cell or "nan") for cell in cells])
            for name, cells in zip(header, zip(*rows, strict=True), strict=True)
        }
    except (OSError, ValueError, csv.Error) as error:
        raise DatasetError(f"{path}: cannot be read ({str(error)[:200]}); run `lds eval` again") from error
    missing = [name for name in COLUMNS if name not in columns]
    if missing:
        raise DatasetError(f"{path}: lacks {', '.join(missing)}; run `lds eval` again")
    _check_views(columns["view"], path)
    return columns


def _check_views(views: np.ndarray, path: Path) -> None:
    """Raises DatasetError where the column `view` [N] holds what is no view's number."""
    numbered = (views >= 0) & (views < MOST_VIEWS) & (views == np.floor(views))
    if not numbered.all():
        row = int(np.argmin(numbered))
        raise DatasetError(
            f"{path}: line {row + 2}: the column view holds {views[row]:g}, which is no view's number; "
            "run `lds eval` again"
        )
