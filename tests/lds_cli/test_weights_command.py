"""`lds weights path`: the file that a name stands for, and nothing that is no weights."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from datasets.scene import DatasetError
from lds_cli.main import app
from lds_models.weights import WeightsError


def test_the_path_of_weights_is_told(tiny_weights: Path) -> None:
    done = CliRunner().invoke(app, ["weights", "path", str(tiny_weights)])
    assert done.exit_code == 0 and done.output == f"{tiny_weights}\n"


def test_a_file_that_is_no_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    done = CliRunner().invoke(app, ["weights", "path", str(tmp_path / "notes.txt")])
    assert type(done.exception) is WeightsError and "no safetensors file" in str(done.exception)


def test_weights_are_not_published_with_what_perception_makes_of_other_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scene was dropped since they were evaluated."""
    monkeypatch.setenv("LDS_CACHE", str(tmp_path / "cache"))
    data, evaluation = tmp_path / "data", tmp_path / "eval"
    of_data = ["--data", str(data), "--split", "train", "--out", str(evaluation)]
    for command in (
        ["data", "synth", "table_cubes", str(data), "--scenes", "3", "--views", "1"],
        ["eval", "monet_lds_table", *of_data],
        ["data", "drop", str(data), "scene_000000"],
    ):
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, done.output
    of_evaluation = ["--eval", str(evaluation), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, ["weights", "publish", "monet_lds_table", "own", *of_evaluation])
    assert type(done.exception) is DatasetError and f"{data}: has changed since" in str(done.exception)
    assert not (tmp_path / "out").exists()
