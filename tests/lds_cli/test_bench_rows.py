"""Benchmark rows: their stable JSON form, and that things measured together take turns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lds_cli.bench import app
from lds_cli.bench_rows import Row, interleaved_medians, show


def test_json_has_the_documented_names(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    show([Row("monet/model", 7.5, "ms", 75.0, 10.0)], tmp_path / "rows.json")
    (row,) = json.loads((tmp_path / "rows.json").read_text())
    assert row == {
        "name": "monet/model", "median": 7.5, "unit": "ms", "reference_median": 75.0, "ratio": 10.0,
        "peak_memory_mb": None,
    }  # fmt: skip
    assert "10.00 x" in capsys.readouterr().out


def test_a_file_that_cannot_be_written_is_told_before_minutes_are_spent(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    run = CliRunner().invoke(app, ["perception", "--json", str(tmp_path / "file" / "rows.json")])
    assert run.exit_code == 2 and "cannot be made" in " ".join(run.output.replace("│", "").split())


def test_functions_take_turns_and_warm_up_is_not_counted() -> None:
    calls: list[str] = []
    medians = interleaved_medians([lambda: calls.append("a"), lambda: calls.append("b")], rounds=3, warm_up=1)
    assert calls == ["a", "b"] * 4 and len(medians) == 2


def test_calls_that_settle_come_before_each_one_that_counts() -> None:
    calls: list[str] = []
    functions = [lambda: calls.append("a"), lambda: calls.append("b")]
    interleaved_medians(functions, rounds=2, warm_up=0, settle=1)
    assert calls == ["a", "a", "b", "b"] * 2


def test_only_calls_that_count_are_timed() -> None:
    import time

    calls = iter([0.2, 0.0, 0.2, 0.0])
    (median,) = interleaved_medians([lambda: time.sleep(next(calls))], rounds=2, warm_up=0, settle=1)
    assert median < 0.1
