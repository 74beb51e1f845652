"""`lds perceive score`: slots and the objects that are made of them, with intervals."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from datasets.loading import open_dataset
from lds_cli.main import app
from lds_models.weights import load_weights


def test_one_scene_is_scored_without_intervals(tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "score.json"
    made = CliRunner().invoke(app, ["data", "synth", "table_cubes", str(data), "--scenes", "1", "--views", "2"])
    assert made.exit_code == 0, made.output
    done = CliRunner().invoke(
        app, ["perceive", "score", "monet_lds_table", "--data", str(data), "--split", "train", "--json", str(file)]
    )
    assert done.exit_code == 0 and "nan" not in done.output, done.output

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    (scored,) = json.loads(file.read_text(), parse_constant=refuse)["scored"]
    assert scored["objects"]["miou"]["low"] is None


def test_numbers_that_cannot_be_written_are_told_in_a_line(tmp_path: Path) -> None:
    data = tmp_path / "data"
    made = CliRunner().invoke(app, ["data", "synth", "table_cubes", str(data), "--scenes", "1", "--views", "1"])
    assert made.exit_code == 0, made.output
    done = CliRunner().invoke(
        app, ["perceive", "score", "monet_lds_table", "--data", str(data), "--split", "train", "--json", "/dev/full"]
    )
    assert "/dev/full: cannot be written (No space left on device)" in str(done.exception)


def test_slots_and_objects_are_scored_with_intervals_and_where_they_come_from(tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "new" / "score.json"
    made = CliRunner().invoke(app, ["data", "synth", "table_cubes", str(data), "--scenes", "10", "--views", "2"])
    assert made.exit_code == 0, made.output
    arguments = ["monet_lds_table", "--data", str(data), "--split", "train", "--limit", "4", "--json", str(file)]
    done = CliRunner().invoke(app, ["perceive", "score", *arguments])
    assert done.exit_code == 0, done.output
    told = json.loads(file.read_text())
    assert told["data_digest"] == open_dataset(data, "train").digest() and told["split"] == "train"
    (scored,) = told["scored"]
    assert scored["weights_digest"] == load_weights("monet_lds_table").digest and scored["images"] == 8
    for what in ("slots", "objects"):
        assert set(scored[what]) == {"miou", "right_count", "duplicate_rate"}
        for interval in scored[what].values():
            assert 0 <= interval["low"] <= interval["mean"] <= interval["high"] <= 1
    miou = scored["objects"]["miou"]
    assert f"{miou['mean']:.3f} [{miou['low']:.3f}," in done.output  # where COLUMNS is exported, the line may end here
