"""A folder that `lds eval` wrote, read back together with the card of the weights that it measured."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lds_models.comparison.paper import paper_dataset
from lds_models.model import ModelConfig
from lds_models.results import read_evaluation, read_rows
from lds_models.weights import LoadedModel, WeightsError, load_weights

NAMES = {"monet": "MONet", "iodine": "IODINE", "mulmon": "MulMON", "genesis": "GENESIS"}


class CompareError(ValueError):
    """Folders that cannot be compared. The message names them, what is wrong and what to do."""

    exit_code = 1


@dataclass(frozen=True)
class EvaluatedRun:
    """One model, evaluated.

    Attributes:
        document: metrics.json.
        columns: per_image.csv by column, one value an image; float64 [N] but for `scene`, NaN where a cell is empty.
        loaded: the weights and their card.
    """

    folder: Path
    document: dict[str, Any]
    columns: dict[str, np.ndarray]
    loaded: LoadedModel

    @property
    def model(self) -> str:
        """The model's name as people write it, such as MONet."""
        return NAMES.get(self.config.name, self.config.name)

    @property
    def config(self) -> ModelConfig:
        return self.loaded.model.config

    @property
    def has_lds(self) -> bool:
        return self.config.lds_weight > 0

    @property
    def name(self) -> str:
        """MONet⁺ or MONet⁰, as in the paper."""
        return f"{self.model}{'⁺' if self.has_lds else '⁰'}"

    @property
    def training(self) -> dict[str, Any]:
        return self.loaded.card.get("training", {})

    @property
    def seed(self) -> int:
        """Of training."""
        return int(self.training.get("experiment", {}).get("seed", 0))

    @property
    def steps(self) -> int | None:
        return self.training.get("steps")

    @property
    def trained_slots(self) -> int:
        """K in training; weights may have been published with another one."""
        trained = self.training.get("experiment", {}).get("model", {}).get("num_slots")
        return self.config.num_slots if trained is None else int(trained)

    @property
    def slots(self) -> int:
        """K in the evaluation, which may be another than in training."""
        return self.document.get("slots") or self.config.num_slots

    @property
    def tested_with(self) -> str:
        """What to say after K in training: nothing where it is K in the evaluation as well."""
        return f", tested with {self.slots}" if self.slots != self.trained_slots else ""

    @property
    def data(self) -> tuple[str, str]:
        """What it was evaluated on: the digest of the dataset, and which split."""
        return self.document["data_digest"], self.document["split"]

    @property
    def data_name(self) -> str:
        """The paper's name of the dataset, such as CLE-MV, or the last part of its path."""
        path = self.document["data"]
        return paper_dataset(path) or path.rstrip("/").rpartition("/")[2]

    @cached_property
    def images(self) -> list[tuple[str, int]]:
        """Scene and view of every row."""
        return list(zip(self.columns["scene"].tolist(), self.columns["view"].astype(int).tolist(), strict=True))

    @property
    def shown_views(self) -> np.ndarray:
        """Of a multi-view model: for each row whether it was shown that view, [N]; empty of others."""
        return self.columns.get("observed", np.empty(0))

    @property
    def has_masks(self) -> bool:
        return "miou" in self.columns


def data_labels(runs: Iterable[EvaluatedRun]) -> dict[tuple[str, str], str]:
    """What to call each `data` of the runs: its name, and the split and the digest where others have the same name."""
    names = {run.data: run.data_name for run in runs}

    def label(data: tuple[str, str]) -> str:
        digest, split = data
        others = [other for other in names if other != data and names[other] == names[data]]
        of_split = [other for other in others if other[1] == split]
        return names[data] + (f", {split}" if others else "") + (f" {digest[:8]}" if of_split else "")

    return {data: label(data) for data in names}


def read_run(folder: Path) -> EvaluatedRun:
    """Read what `lds eval` wrote into a folder.

    Raises:
        DatasetError: it is no such folder, or a file is damaged.
        CompareError: its files do not fit together, or the weights are gone or have changed since.
    """
    document, columns = read_evaluation(folder), read_rows(folder)
    if len(columns["scene"]) != document["images"]:
        raise CompareError(
            f"{folder}: per_image.csv has {len(columns['scene'])} rows and metrics.json tells of {document['images']} "
            "images; run `lds eval` again"
        )
    try:
        loaded = load_weights(document["weights"])
    except (WeightsError, OSError) as error:  # no file can have some names
        raise CompareError(
            f"{folder}: was measured on the weights '{document['weights'][:200]}', which are read for their card and "
            f"for pictures ({str(error)[:500]}); run this from the folder that `lds eval` ran in, or evaluate again"
        ) from error
    if loaded.digest != document["weights_digest"]:
        raise CompareError(
            f"{folder}: the weights '{document['weights']}' have changed since they were measured; run `lds eval` again"
        )
    return EvaluatedRun(folder, document, columns, loaded)
