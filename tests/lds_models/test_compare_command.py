from __future__ import annotations

import json

import pytest
from evaluated_runs import evaluated, squares
from typer.testing import CliRunner

from lds_cli import main


@pytest.fixture
def pair(tmp_path):
    data = squares(tmp_path / "squares.h5")
    return [evaluated(tmp_path, f"run{lds}", data, lds) for lds in (0.0, 0.5)]


def test_a_pair_is_compared_and_the_page_is_named(pair, tmp_path):
    out = tmp_path / "deep" / "out"
    result = CliRunner().invoke(main.app, ["compare", *map(str, pair), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "report.html" in result.output and (out / "report.html").is_file()
    assert "mIoU" in result.output and "with LDS" in result.output
    assert json.loads((out / "comparison.json").read_text())["compared"][0]["label"] == "MONet"


def test_a_bad_folder_is_one_clear_line(pair, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["lds", "compare", str(pair[0]), str(tmp_path / "nothing")])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main.main()
    assert end.value.code == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "nothing/metrics.json" in told.replace(" ", "") and "Traceback" not in told
