"""Write an evaluation as files that other programs read: metrics.json and per_image.csv."""

from __future__ import annotations

import csv
import json
import math
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from datasets.atomic import whole_file
from lds_models.evaluation import Evaluation
from lds_models.metrics.statistics import Interval


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
        "metrics": {name: _plain(interval) for name, interval in evaluation.metrics.items()},
        "sweeps": {name: asdict(sweep) for name, sweep in evaluation.sweeps.items()},
        "warnings": list(evaluation.warnings),
        "versions": software_versions(),
    }
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n")


def write_rows(evaluation: Evaluation, path: Path) -> None:
    """Write per_image.csv: one line an image; a cell is empty where the measure is not defined."""
    with whole_file(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(evaluation.rows)
        for row in zip(*(column.tolist() for column in evaluation.rows.values()), strict=True):
            writer.writerow(_cell(value) for value in row)


def _plain(interval: Interval | None) -> dict[str, float | None] | None:
    if interval is None:
        return None
    return {name: value if math.isfinite(value) else None for name, value in asdict(interval).items()}


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.9g}" if math.isfinite(value) else ""
    return value
