from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from evaluated_runs import IMAGES, evaluated, squares

from datasets.scene import DatasetError
from lds_models.comparison import compare
from lds_models.comparison.runs import CompareError
from lds_models.results import read_rows


@pytest.fixture
def data(tmp_path):
    return squares(tmp_path / "squares.h5")


def refused(folders, out) -> str:
    with pytest.raises((CompareError, DatasetError)) as error:
        compare(folders, out)
    assert not (out / "report.html").exists()
    return str(error.value)


def test_a_run_without_a_counterpart_is_refused(tmp_path, data):
    folders = [evaluated(tmp_path, "lds", data, 0.5)]
    message = refused(folders, tmp_path / "out")
    assert str(folders[0]) in message and "no counterpart without LDS" in message


def test_a_pair_on_other_data_is_refused(tmp_path, data):
    other = squares(tmp_path / "other.h5", seed=3)
    folders = [evaluated(tmp_path, "base", data), evaluated(tmp_path, "lds", other, 0.5)]
    message = refused(folders, tmp_path / "out")
    assert "other data" in message and str(folders[1]) in message and "--data" in message


def test_a_pair_of_other_seeds_is_refused(tmp_path, data):
    folders = [evaluated(tmp_path, "base", data, seed=1), evaluated(tmp_path, "lds", data, 0.5, seed=2)]
    assert "trained with seed 2" in refused(folders, tmp_path / "out")


def test_a_pair_on_other_images_is_refused(tmp_path, data):
    renamed = {"scene": np.array(["else"] * IMAGES)}
    folders = [evaluated(tmp_path, "base", data), evaluated(tmp_path, "lds", data, 0.5, columns=renamed)]
    message = refused(folders, tmp_path / "out")
    assert "different images" in message and all(str(folder) in message for folder in folders)


def test_a_pair_with_other_numbers_of_gap_samples_is_refused(tmp_path, data):
    gaps = {"inference_gap": np.ones(IMAGES)}
    folders = [
        evaluated(tmp_path, f"run{lds}", data, lds, columns=gaps, document={"gap_samples": samples})
        for lds, samples in ((0.0, 20), (0.5, 500))
    ]
    assert "--gap-samples 20 and 500" in refused(folders, tmp_path / "out")


def test_a_pair_that_was_shown_other_views_is_refused(tmp_path, data):
    """`lds eval --seed` chooses them: what one was shown would count as unseen because the other was not."""
    first, second = np.arange(IMAGES) % 3 == 0, np.arange(IMAGES) % 3 == 1
    folders = [
        evaluated(tmp_path, f"run{lds}", data, lds, columns={"observed": shown.astype(int)})
        for lds, shown in ((0.0, first), (0.5, second))
    ]
    message = refused(folders, tmp_path / "out")
    assert "different views" in message and "--seed" in message and all(str(folder) in message for folder in folders)


def test_a_pair_trained_on_data_that_changed_in_between_is_told(tmp_path, data):
    folders = [evaluated(tmp_path, f"run{lds}", data, lds, digest=digest) for lds, digest in ((0.0, "a"), (0.5, "b"))]
    warnings = compare(folders, tmp_path / "out").warnings
    assert any("the data's digest is a without and b with LDS" in warning for warning in warnings)


def test_datasets_and_splits_of_one_name_are_told_apart(tmp_path, data):
    """Their charts had one file, and their rows in measures.csv one name."""
    measured_on = [
        {"data_digest": "a" * 64},
        {"data_digest": "b" * 64},
        {"data_digest": "c" * 64, "split": "train"},
        {"data_digest": "d" * 64, "data": "other"},
    ]
    folders = [
        evaluated(tmp_path, f"run{number}{lds}", data, lds, document=document)
        for number, document in enumerate(measured_on)
        for lds in (0.0, 0.5)
    ]
    compare(folders, tmp_path / "out")
    told = {row["data"] for row in csv.DictReader((tmp_path / "out" / "measures.csv").open())}
    assert told == {"squares.h5, test aaaaaaaa", "squares.h5, test bbbbbbbb", "squares.h5, train", "other"}
    assert (tmp_path / "out" / "figures" / "figure1_squares_h5_train_miou.png").exists()


def test_the_same_run_twice_is_refused(tmp_path, data):
    base = evaluated(tmp_path, "base", data)
    assert "give one of them" in refused([base, base, evaluated(tmp_path, "lds", data, 0.5)], tmp_path / "out")


def test_weights_published_with_another_k_are_those_that_were_trained(tmp_path, data):
    """`lds weights publish --slots` gives a model another K; its card has that of training."""
    trained = {"model": {"name": "monet", "num_slots": 3, "lds_weight": 0.0}}
    folders = [
        evaluated(tmp_path, "base", data, num_slots=3, document={"slots": 4}),
        evaluated(tmp_path, "lds", data, 0.5, training=trained, document={"slots": 4}),
    ]
    (one,) = compare(folders, tmp_path / "out").compared
    assert one.group.label.endswith("tested with 4")


@pytest.mark.parametrize("missing", ["metrics.json", "per_image.csv"])
def test_a_folder_that_is_no_evaluation_is_refused(tmp_path, data, missing):
    base, lds = evaluated(tmp_path, "base", data), evaluated(tmp_path, "lds", data, 0.5)
    (lds / missing).unlink()
    message = refused([base, lds], tmp_path / "out")
    assert missing in message and "lds eval" in message


def test_damaged_files_are_refused(tmp_path, data):
    base, lds = evaluated(tmp_path, "base", data), evaluated(tmp_path, "lds", data, 0.5)
    rows = (lds / "per_image.csv").read_text().splitlines()
    (lds / "per_image.csv").write_text("\n".join(rows[:-2]) + "\n")
    assert f"{IMAGES - 2} rows" in refused([base, lds], tmp_path / "out")
    (lds / "per_image.csv").write_text("")
    assert "per_image.csv" in refused([base, lds], tmp_path / "out")
    document = json.loads((base / "metrics.json").read_text())
    del document["data_digest"]
    (base / "metrics.json").write_text(json.dumps(document))
    assert "lacks data_digest" in refused([base, lds], tmp_path / "out")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("cell", "told"), [("", "nan"), ("inf", "inf"), ("-1", "-1"), ("0.5", "0.5"), ("1e300", r"1e\+300")]
)
def test_a_view_without_a_number_is_refused_with_its_line(tmp_path, cell, told):
    rows = ["scene,view,mse", "scene_0,0,0.01", f"scene_0,{cell},0.02"]
    (tmp_path / "per_image.csv").write_text("\n".join(rows) + "\n")
    with pytest.raises(DatasetError, match=f"per_image.csv: line 3: the column view holds {told}, .*`lds eval` again"):
        read_rows(tmp_path)


def test_weights_that_are_gone_or_have_changed_are_refused(tmp_path, data):
    base, lds = evaluated(tmp_path, "base", data), evaluated(tmp_path, "lds", data, 0.5)
    weights = tmp_path / "runs" / "lds" / "weights.safetensors"
    kept = weights.read_bytes()
    weights.write_bytes((tmp_path / "runs" / "base" / "weights.safetensors").read_bytes()[:1000])
    assert "damaged" in refused([base, lds], tmp_path / "out")
    weights.unlink()
    assert str(lds) in refused([base, lds], tmp_path / "out")
    evaluated(tmp_path, "other", data, 0.5, seed=9)
    weights.write_bytes((tmp_path / "runs" / "other" / "weights.safetensors").read_bytes())
    assert "have changed" in refused([base, lds], tmp_path / "out")
    weights.write_bytes(kept)
    assert compare([base, lds], tmp_path / "out").page.exists()


def test_other_sigmas_and_slots_make_an_ablation(tmp_path, data):
    def run(name, miou, seed=0, slots=None, **settings):
        columns, document = {"miou": np.full(IMAGES, miou)}, {}
        folder = evaluated(tmp_path, name, data, 0.5, seed, columns, document=document, **settings)
        if slots:
            told = json.loads((folder / "metrics.json").read_text()) | {"slots": slots}
            (folder / "metrics.json").write_text(json.dumps(told))
        return folder

    folders = [
        run("usual0", 0.6), run("usual1", 0.7, seed=1), run("wide", 0.5, lds_std=0.3), run("six", 0.4, num_slots=6),
        run("tested_with_six", 0.3, slots=6),
    ]  # fmt: skip
    comparison = compare(folders, tmp_path / "out")
    (ablation,) = comparison.ablations
    assert comparison.compared == () and ablation.label == "MONet"
    assert {sigma: len(runs) for sigma, runs in ablation.by_sigma.items()} == {0.1: 2, 0.3: 1}
    assert {slots: len(runs) for slots, runs in ablation.by_slots.items()} == {(4, 4): 2, (4, 6): 1, (6, 6): 1}
    rows = list(csv.DictReader((tmp_path / "out" / "ablation.csv").open()))
    told = {(row["sigma"], row["trained_slots"], row["slots"], row["seed"]): float(row["miou"]) for row in rows}
    assert told == {
        ("0.1", "4", "4", "0"): 0.6, ("0.1", "4", "4", "1"): 0.7, ("0.3", "4", "4", "0"): 0.5,
        ("0.1", "6", "6", "0"): 0.4, ("0.1", "4", "6", "0"): 0.3,
    }  # fmt: skip
    names = {path.stem for path in (tmp_path / "out" / "figures").glob("*.png")}
    assert names == {f"ablation_squares_h5_monet_{what}_{m}" for what in ("sigma", "slots") for m in ("miou", "mse")}
    assert "K = 4, tested with 6" in (tmp_path / "out" / "report.html").read_text()
    assert "Ablation" in comparison.page.read_text() and "Table 1" not in comparison.page.read_text()


def test_runs_at_other_settings_join_the_ablation_and_leave_the_pair_alone(tmp_path, data):
    folders = [
        evaluated(tmp_path, "base", data),
        evaluated(tmp_path, "wide", data, 0.5, lds_std=0.3),
        evaluated(tmp_path, "usual", data, 0.5),
    ]
    comparison = compare(folders, tmp_path / "out")
    (one,) = comparison.compared
    assert one.group.first.lds.folder == folders[2]
    assert set(comparison.ablations[0].by_sigma) == {0.1, 0.3}
