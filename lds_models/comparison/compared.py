"""All that a comparison shows, before it is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lds_models.comparison.curves import Curve
from lds_models.comparison.gaps import GapDrop
from lds_models.comparison.grids import Grid
from lds_models.comparison.numbers import Contrast
from lds_models.comparison.pairing import Ablation, Group


@dataclass(frozen=True)
class Compared:
    """One model on one dataset, without and with LDS.

    Attributes:
        contrasts: by the measures' names in metrics.json.
        gap: None where a run was evaluated without --inference-gap.
        curves: by the names of `curves.SHOWN`, as far as the runs have logged them.
    """

    group: Group
    contrasts: dict[str, Contrast]
    gap: GapDrop | None
    grid: Grid
    curves: dict[str, list[Curve]]


@dataclass(frozen=True)
class Comparison:
    """All that was compared.

    Attributes:
        page: the HTML page that was written; beside it comparison.json, *.csv and figures/*.png.
        warnings: what a reader has to know before the numbers.
    """

    compared: tuple[Compared, ...]
    ablations: tuple[Ablation, ...]
    warnings: tuple[str, ...]
    page: Path

    @property
    def by_data(self) -> dict[str, list[Compared]]:
        """What was compared on each dataset."""
        found: dict[str, list[Compared]] = {}
        for one in self.compared:
            found.setdefault(one.group.data, []).append(one)
        return found
