"""Compare evaluated models with and without LDS: read, pair, measure, write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lds_models.comparison.charts import all_charts
from lds_models.comparison.compared import Compared, Comparison
from lds_models.comparison.curves import training_curves
from lds_models.comparison.files import write_files
from lds_models.comparison.gaps import gap_drops
from lds_models.comparison.grids import side_by_side
from lds_models.comparison.numbers import contrasts
from lds_models.comparison.page import write_page
from lds_models.comparison.pairing import pair_runs, trained_differently
from lds_models.comparison.runs import read_run


def compare(folders: Sequence[Path], out: Path) -> Comparison:
    """Compare folders that `lds eval` has written and write a page, its figures and its numbers into `out`.

    Args:
        folders: pairs without and with LDS of the same model, seed and images, in any order; beside them runs with LDS
            at other settings (sigma, K), which make an ablation.

    Raises:
        DatasetError: a folder is no evaluation, a file is damaged, or `out` cannot be written.
        CompareError: a run has no counterpart, or was measured on other images than it.
    """
    groups, ablations = pair_runs([read_run(Path(folder)) for folder in folders])
    compared = tuple(
        Compared(group, contrasts(group), gap_drops(group), side_by_side(group), training_curves(group))
        for group in groups
    )
    comparison = Comparison(compared, tuple(ablations), tuple(_warnings(compared)), out / "report.html")
    (out / "figures").mkdir(parents=True, exist_ok=True)
    charts = all_charts(comparison)
    write_files(comparison, charts, out)
    write_page(comparison, charts, out)
    return comparison


def _warnings(compared: Sequence[Compared]) -> list[str]:
    warnings = []
    for one in compared:
        name = f"{one.group.label} on {one.group.data}"
        for pair in one.group.pairs:
            differences = trained_differently(pair)
            if differences:
                warnings.append(
                    f"{name}, seed {pair.control.seed}: the pair differs not in LDS alone: {'; '.join(differences)}."
                )
        if one.grid.missing:
            warnings.append(one.grid.missing)
    return warnings + _one_seed(compared)


def _one_seed(compared: Sequence[Compared]) -> list[str]:
    """The warning of those whose difference may be one of seeds."""
    found = [f"{one.group.label} on {one.group.data}" for one in compared if len(one.group.seeds) == 1]
    if not found:
        return []
    return [
        f"One seed of {', '.join(found)}: better and worse are of these trainings, by intervals over test scenes. "
        "Another seed may change more than LDS does: train and evaluate further pairs (seed=1, ...), and give them all."
    ]
