"""What a run has logged, read back."""

from __future__ import annotations

from pathlib import Path

from lds_models.training.curves import Curves, read_curves


def test_a_torn_last_line_costs_that_line_alone(tmp_path: Path) -> None:
    with Curves(tmp_path, 0) as curves:
        curves.add(1, {"nll": 4.5, "val_miou": 0.25})
    whole = read_curves(tmp_path / "metrics.csv")
    assert whole == [(1, "nll", 4.5), (1, "val_miou", 0.25)]
    with open(tmp_path / "metrics.csv", "a", newline="") as file:
        file.write("2,nll,3")  # of 3.75
    assert read_curves(tmp_path / "metrics.csv") == whole and read_curves(tmp_path / "none.csv") == []
