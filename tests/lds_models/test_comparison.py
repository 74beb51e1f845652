from __future__ import annotations

import csv
import json
import re
from itertools import product

import numpy as np
import pytest
from evaluated_runs import IMAGES, SCENES, VIEWS, evaluated, squares

from lds_models.comparison import compare

SCENE_OF = np.repeat(np.arange(SCENES), VIEWS)
MSE = np.full(IMAGES, 0.004)
MIOU = 0.5 + 0.02 * np.arange(IMAGES)
GAIN = 0.1 + 0.01 * SCENE_OF
GAPS = 100 + 7.0 * np.arange(IMAGES)
DROP = 3.0 + np.sin(np.arange(IMAGES))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("comparison")


@pytest.fixture(scope="module")
def written(home):
    """A comparison of two seeds whose numbers are known, and its folder."""
    data = squares(home / "clevr_mv" / "packed.h5")
    folders = []
    for seed, shift in ((0, 0.0), (1, 0.04)):
        control = {"mse": MSE, "miou": MIOU + shift, "duplicate": np.ones(IMAGES, int), "sim": np.full(IMAGES, 0.5)}
        lds = {
            "mse": MSE,
            "miou": MIOU + shift + GAIN,
            "duplicate": (SCENE_OF == 0).astype(int),
            "sim": np.full(IMAGES, 0.2),
        }
        gaps = {"inference_gap": GAPS}, {"inference_gap": GAPS - DROP * (1 + seed)}
        folders += [
            evaluated(home, f"base{seed}", data, 0.0, seed, control | gaps[0], document={"gap_samples": 20}),
            evaluated(home, f"lds{seed}", data, 0.5, seed, lds | gaps[1], document={"gap_samples": 20}),
        ]
    out = home / "out"
    return compare(folders[::-1], out), out


def document_of(out):
    return json.loads((out / "comparison.json").read_text())["compared"]


def test_seeds_are_averaged_and_their_spread_is_told(written):
    (one,) = document_of(written[1])
    assert one["seeds"] == [0, 1] and one["label"] == "MONet" and one["data"] == "CLE-MV"
    miou = one["measures"]["miou"]
    assert miou["control"]["mean"] == pytest.approx(MIOU.mean() + 0.02, abs=1e-6)
    assert miou["control"]["std"] == pytest.approx(0.04 / np.sqrt(2), abs=1e-6)
    assert miou["lds"]["seeds"] == 2
    assert miou["control"]["least"] == pytest.approx(MIOU.mean(), abs=1e-6)
    assert miou["control"]["most"] == pytest.approx(MIOU.mean() + 0.04, abs=1e-6)
    assert miou["control"]["low"] < miou["control"]["mean"] < miou["control"]["high"]


def test_differences_are_taken_image_by_image(written):
    miou = document_of(written[1])[0]["measures"]["miou"]
    assert miou["difference"]["mean"] == pytest.approx(GAIN.mean(), abs=1e-6)
    # The arms' own intervals overlap; that of the difference is as narrow as the gains of the scenes are alike.
    assert miou["control"]["high"] > miou["lds"]["low"] - 0.05
    assert GAIN.min() <= miou["difference"]["low"] < miou["difference"]["high"] <= GAIN.max()
    assert miou["verdict"] == "better"
    mse = document_of(written[1])[0]["measures"]["mse"]
    assert mse["difference"]["mean"] == pytest.approx(0) and mse["verdict"] == "unclear"


def test_intervals_are_those_of_drawing_whole_scenes(written):
    """Every scene's views gain the same: all draws of so many scenes out of them can be listed."""
    draws = [np.mean(scenes) for scenes in product(GAIN[::VIEWS], repeat=SCENES)]
    low, high = np.percentile(draws, [2.5, 97.5])
    found = document_of(written[1])[0]["measures"]["miou"]["difference"]
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=1e-3)


def test_similarity_and_duplicates_fall(written):
    measures = document_of(written[1])[0]["measures"]
    assert measures["sim"]["difference"]["mean"] == pytest.approx(-0.3)
    assert measures["duplicate_rate"]["control"]["mean"] == 1
    assert measures["duplicate_rate"]["lds"]["mean"] == pytest.approx(1 / SCENES)
    assert measures["duplicate_rate"]["verdict"] == "better"


def test_the_drop_of_the_inference_gap_and_what_goes_along_with_it(written):
    found = document_of(written[1])[0]["gap_drop"]
    assert found["mean"] == pytest.approx((1.5 * DROP).mean(), rel=1e-5) and found["share_above_0"] == 1
    with_lds = MIOU + GAIN
    assert found["pearson"]["miou"]["r"]["mean"] == pytest.approx(np.corrcoef(with_lds, DROP)[0, 1], abs=1e-4)
    rows = list(csv.DictReader((written[1] / "gap_drop.csv").open()))
    assert [float(row["gap_drop"]) for row in rows] == pytest.approx(1.5 * DROP, rel=1e-4)
    assert (rows[4]["scene"], rows[4]["view"]) == ("squares_001", "1")


def test_the_papers_numbers_stand_beside_ours_only_where_the_setting_is_the_papers(home, written):
    measures = document_of(written[1])[0]["measures"]
    assert measures["miou"]["paper"] is None  # K is 4 here, and 7 in the paper
    data = squares(home / "dolphin" / "packed.h5", seed=5)
    folders = [evaluated(home, f"dolphin{lds}", data, lds, num_slots=7) for lds in (0.0, 0.5)]
    comparison = compare(folders, home / "dolphin_out")
    found = document_of(home / "dolphin_out")[0]["measures"]
    assert found["miou"]["paper"]["lds"] == {"mean": 0.6567, "std": 0.0077}
    assert found["mse"]["paper"]["control"]["mean"] == 0.0059 and found["sim"]["paper"] is None
    page = comparison.page.read_text()
    assert "0.6567" in page and "the paper's" in page


def test_every_figure_is_a_png(written):
    from matplotlib.image import imread

    pictures = {path.stem: imread(path) for path in (written[1] / "figures").glob("*.png")}
    stems = ("figure1_{}_miou", "figure1_{}_mse", "figure3_{}_similarity", "figure3_{}_duplicate_rate")
    expected = {stem.format("cle_mv") for stem in stems}
    expected |= {"figure2_cle_mv_monet", "table2_cle_mv_monet_gap", "curves_cle_mv_monet_nll"}
    assert expected <= set(pictures)
    for picture in pictures.values():
        assert min(picture.shape[:2]) > 300 and picture.std() > 0.01


def test_the_page_needs_nothing_but_itself_and_tells_the_numbers(written):
    comparison, out = written
    page = comparison.page.read_text()
    sources = re.findall(r'src="([^"]{0,30})', page)
    assert sources and all(source.startswith("data:image/png;base64,") for source in sources)
    assert not re.search(r"<link|<script|url\((?!#)|@import", page)
    assert "prefers-color-scheme: dark" in page and "@media print" in page and "width=device-width" in page
    for text in (f"{MIOU.mean() + 0.02:.4f}", "Table 1", "Figure 2", "Figure 3", "300 steps, 2 seeds", "lds eval"):
        assert text in page
    assert "here it is 20" in page  # samples of the gap
    assert f"seeds +{GAIN.mean():.4f} to +{GAIN.mean():.4f}" in page  # the headline's: both seeds gain the same
    assert comparison.warnings == () and "one seed" not in page.lower()
    assert all(name in page for name in ("comparison.json", "measures.csv", "gap_drop.csv"))


def test_both_models_are_shown_on_the_same_images_with_their_own_duplicates_marked(written):
    comparison, _ = written
    examples = comparison.compared[0].grid.examples
    assert examples[0].reason == "duplicates gone" and len(examples) >= 4
    for example in examples:
        control, lds = (side.panel for side in example.sides)
        assert np.array_equal(control.observation, lds.observation)
        assert not np.array_equal(control.segmentation, lds.segmentation)
    marked = comparison.page.read_text().count('class="tile slot duplicate"')
    assert marked == sum(slot.duplicate for e in examples for side in e.sides for slot in side.panel.slots)


def test_curves_of_training_are_read_from_the_runs(written):
    curves = written[0].compared[0].curves["nll"]
    assert sorted((curve.has_lds, *curve.values) for curve in curves) == [
        (False, 500.5, 400.25, 300.0), (False, 500.5, 400.25, 300.0),
        (True, 450.5, 350.25, 250.0), (True, 450.5, 350.25, 250.0),
    ]  # fmt: skip


def test_without_gaps_and_masks_the_page_says_what_is_missing_and_how_to_get_it(home):
    data = squares(home / "bare" / "packed.h5", masks=False)
    folders = [evaluated(home, f"bare{lds}", data, lds) for lds in (0.0, 0.5)]
    (home / "bare_out").mkdir()
    (home / "bare_out" / "gap_drop.csv").write_text("of a comparison before")
    comparison = compare(folders, home / "bare_out")
    page = comparison.page.read_text()
    assert page.count("--inference-gap\n") == 2 and "Not measured" in page
    assert "cosine similarity" in page and "miou" not in comparison.compared[0].contrasts
    assert not (home / "bare_out" / "gap_drop.csv").exists()


def test_pictures_are_left_out_with_a_warning_where_the_data_is_gone(home):
    data = squares(home / "gone" / "packed.h5")
    folders = [evaluated(home, f"gone{lds}", data, lds) for lds in (0.0, 0.5)]
    data.unlink()
    comparison = compare(folders, home / "gone_out")
    assert comparison.compared[0].grid.examples == ()
    assert "packed.h5" in comparison.warnings[0] and "packed.h5" in comparison.page.read_text()


def test_a_pair_that_differs_in_more_than_lds_is_shown_with_a_warning(home):
    data = squares(home / "unlike" / "packed.h5")
    control = evaluated(home, "unlike0", data, training={"batch_size": 8})
    lds = evaluated(home, "unlike1", data, 0.5, training={"batch_size": 16})
    warning, of_seed = compare([control, lds], home / "unlike_out").warnings
    assert of_seed.startswith("One seed of MONet")
    assert "batch_size is 8 without and 16 with LDS" in warning and "lds_weight" not in warning


def test_one_seed_is_warned_of_and_stands_beside_every_verdict(home):
    data = squares(home / "single" / "packed.h5")
    gain = {"miou": MIOU + GAIN}
    folders = [evaluated(home, "single0", data, columns={"miou": MIOU}), evaluated(home, "single1", data, 0.5, 0, gain)]
    comparison = compare(folders, home / "single_out")
    assert comparison.compared[0].contrasts["miou"].verdict == "better"
    (warning,) = comparison.warnings
    assert warning.startswith("One seed of MONet on packed.h5:") and "seed=1" in warning
    page = comparison.page.read_text()
    assert f'<p class="warning">{warning}</p>' in page
    assert "better with LDS; one seed<" in page
    assert json.loads((home / "single_out" / "comparison.json").read_text())["warnings"] == [warning]


def test_nothing_is_better_where_seeds_differ_in_sign(home):
    """On average over the seeds every scene gains, as an interval over scenes shows; one seed lost."""
    data = squares(home / "torn" / "packed.h5")
    folders = []
    for seed, gain in ((0, GAIN), (1, -0.2 * GAIN)):
        folders += [
            evaluated(home, f"torn_base{seed}", data, 0.0, seed, {"miou": MIOU}),
            evaluated(home, f"torn_lds{seed}", data, 0.5, seed, {"miou": MIOU + gain}),
        ]
    comparison = compare(folders, home / "torn_out")
    contrast = comparison.compared[0].contrasts["miou"]
    assert contrast.difference.low > 0 and contrast.verdict == "unclear"
    least, most = -0.2 * GAIN.mean(), GAIN.mean()
    assert (contrast.difference.least, contrast.difference.most) == pytest.approx((least, most), abs=1e-6)
    page = comparison.page.read_text()
    assert f"seeds −{-least:.4f} to +{most:.4f}" in page and comparison.warnings == ()
