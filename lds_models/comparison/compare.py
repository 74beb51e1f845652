"""Compare evaluated models with and without LDS: read, pair, measure, write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lds_models.comparison.charts import all_charts
from lds_models.comparison.compared import Compared, Comparison
from lds_models.comparison.curves import training_curves
from lds_models.comparison.files import write_files
from lds_models.comparison.gaps import gap_drops
from lds_models.comparison.grids import side_by_side
from lds_models.comparison.numbers import contrasts
from lds_models.comparison.page import write_page
from lds_models.comparison.pairing import Pair, pair_runs
from lds_models.comparison.runs import EvaluatedRun, read_run
from lds_models.model_card import flattened


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


def trained_differently(pair: Pair) -> list[str]:
    """Settings of training, other than those of LDS, in which a pair differs: what the comparison then also shows."""

    def settings(run: EvaluatedRun) -> dict[str, Any]:
        digest = str(run.training.get("data_digest"))[:8]  # at one path, scenes may have come since
        flat = flattened(run.training.get("experiment", {})) | {"steps": run.steps, "the data's digest": digest}
        return {key: value for key, value in flat.items() if not key.split(".")[-1].startswith("lds_")}

    control, lds = settings(pair.control), settings(pair.lds)
    return [
        f"{key} is {control.get(key)} without and {lds.get(key)} with LDS"
        for key in sorted(control.keys() | lds.keys())
        if control.get(key) != lds.get(key)
    ]


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
