"""`lds weights path`: the file that a name stands for, and nothing that is no weights."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from lds_cli.main import app
from lds_models.weights import WeightsError


def test_the_path_of_weights_is_told(tiny_weights: Path) -> None:
    done = CliRunner().invoke(app, ["weights", "path", str(tiny_weights)])
    assert done.exit_code == 0 and done.output == f"{tiny_weights}\n"


def test_a_file_that_is_no_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    done = CliRunner().invoke(app, ["weights", "path", str(tmp_path / "notes.txt")])
    assert type(done.exception) is WeightsError and "no safetensors file" in str(done.exception)
