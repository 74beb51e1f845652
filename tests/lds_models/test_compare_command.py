from __future__ import annotations

import json

import pytest
from evaluated_runs import IMAGES, evaluated, squares
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
    assert {"ARI", "FG-ARI"} <= set(result.output.split())
    assert "squares.h5, seed 0" in result.output and "±" not in result.output
    assert "warning One seed of MONet on squares.h5" in result.output
    assert json.loads((out / "comparison.json").read_text())["compared"][0]["label"] == "MONet"


def test_the_table_tells_what_seeds_differ_by(pair, tmp_path):
    data = tmp_path / "squares.h5"
    duplicates = [{"duplicate": [1] * IMAGES}, {"duplicate": [1] * 6 + [0] * 6}]
    seeds = [evaluated(tmp_path, f"more{lds}", data, lds, 1, duplicates[lds > 0]) for lds in (0.0, 0.5)]
    folders = [str(folder) for folder in (*pair, *seeds)]
    result = CliRunner().invoke(main.app, ["compare", *folders, "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    told = json.loads((tmp_path / "out" / "comparison.json").read_text())["compared"][0]["measures"]["duplicate_rate"]
    mean, std = (100 * told["difference"][name] for name in ("mean", "std"))
    assert std > 1
    assert f"{mean:+.1f} ± {std:.1f} points".replace("-", "−") in result.output
    assert "squares.h5, 2 seeds" in result.output and "deviation over the seeds" in result.output
    assert "warning" not in result.output


def test_a_bad_folder_is_one_clear_line(pair, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["lds", "compare", str(pair[0]), str(tmp_path / "nothing")])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main.main()
    assert end.value.code == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "nothing/metrics.json" in told.replace(" ", "") and "Traceback" not in told
