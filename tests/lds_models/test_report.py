from __future__ import annotations

import csv
import dataclasses
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from colour_scenes import COLOURS, ColourModel, OrbitModel, packed_orbits, packed_squares

from lds_models import pictures
from lds_models.evaluation import evaluate
from lds_models.measures import METRICS
from lds_models.report import write_results
from lds_models.results import Provenance

PROVENANCE = Provenance(
    weights="monet_test",
    weights_digest="ab" * 32,
    data="squares",
    data_digest="cd" * 32,
    split="test",
    image_size=64,
    source_size=(64, 64),
    seed=0,
    observe=None,
    batch_size=32,
    device="cpu",
    command="lds eval monet_test --data 'a & b' --split test",
)
CARD = {
    "name": "<b>sly</b>",
    "notes": "Fails on <i>green</i>.",
    "deduplication": {"cosine": 0.71234567},
    "metrics": [{"data": "measured before"}],
}


class Page(HTMLParser):
    """Collects what the tests ask of a page: tags, attributes and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def of_class(self, name: str) -> list[dict]:
        return [attrs for _, attrs in self.tags if name in (attrs.get("class") or "").split()]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("report") / "new" / "folder"
    evaluation = evaluate(ColourModel(twins=True), packed_squares(scenes=6))
    page = write_results(evaluation, PROVENANCE, CARD, out)
    return evaluation, out, page.read_text()


def test_files_stay_as_they_were_until_the_new_ones_are_whole(written, tmp_path, monkeypatch):
    evaluation, _, _ = written
    page = write_results(evaluation, PROVENANCE, CARD, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    monkeypatch.setattr("os.replace", lambda source, target: None)  # none of the new ones gets its name
    write_results(evaluation, dataclasses.replace(PROVENANCE, seed=7), CARD, tmp_path)
    assert before == {path: path.read_bytes() for path in before} and page in before


def test_metrics_json_has_the_promised_form(written):
    evaluation, out, _ = written
    document = json.loads((out / "metrics.json").read_text())
    assert (document["weights"], document["data"], document["split"]) == ("monet_test", "squares", "test")
    assert document["images"] == 24 and document["scenes"] == 6
    assert document["metrics"].pop("inference_gap") is None  # it was not asked for
    assert set(document["metrics"]) == set(METRICS) >= {
        "miou", "miou_greedy", "ari", "fg_ari", "mse", "sim", "duplicate_rate"
    }  # fmt: skip
    for values in document["metrics"].values():
        assert set(values) == {"mean", "low", "high"} and values["low"] <= values["mean"] <= values["high"]
    for key in ("weights_digest", "data_digest", "seed", "command", "versions"):
        assert document[key] is not None


def test_per_image_csv_has_the_means_that_metrics_json_tells(written):
    evaluation, out, _ = written
    with (out / "per_image.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24 and rows[5]["scene"] == "squares_001" and rows[5]["view"] == "1"
    for column in ("miou", "mse", "duplicate"):
        assert np.mean([float(row[column]) for row in rows]) == pytest.approx(evaluation.rows[column].mean(), rel=1e-4)


def test_the_page_needs_nothing_but_itself(written):
    page = Page(written[2])
    sources = [attrs["src"] for tag, attrs in page.tags if tag in ("img", "script", "iframe")]
    assert sources and all(source.startswith("data:image/png;base64,") for source in sources)
    assert not [attrs for tag, attrs in page.tags if tag in ("link", "script")]
    assert not re.search(r"url\((?!#)|@import", written[2])


def test_the_page_reads_well_on_a_phone_and_in_the_dark(written):
    html = written[2]
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in Page(html).tags
    assert "prefers-color-scheme: dark" in html and "@media print" in html


def test_the_page_shows_every_measure_the_command_and_the_card(written):
    evaluation, _, html = written
    text = Page(html).text
    for name, metric in METRICS.items():
        assert metric.label in text
        assert f"{evaluation.metrics[name].mean:{metric.spec}}" in text
    assert PROVENANCE.command in text and "deduplication.cosine" in text and "0.7123" in text
    assert "Fails on <i>green</i>." in text and "measured before" not in text


def test_what_comes_from_cards_and_commands_is_escaped(written):
    assert "<b>sly</b>" not in written[2] and "&lt;b&gt;sly&lt;/b&gt;" in written[2]
    assert "'a & b'" not in written[2]


def test_duplicate_slots_are_marked_and_only_they(written):
    evaluation, _, html = written
    marked = Page(html).of_class("duplicate")
    expected = sum(
        slot.duplicate for example in evaluation.examples for slot in pictures.panel(example.explanation).slots
    )
    assert len(marked) == expected > 0
    worst = pictures.panel(evaluation.examples[2].explanation)
    assert [k for k, slot in enumerate(worst.slots) if slot.duplicate] == [1, 5]


def test_every_picture_is_written_as_png(written):
    from matplotlib.image import imread

    names = {"miou_histogram", "mse_histogram", "duplicates_by_overlap", "duplicates_by_latent", "slots"}
    pictures = {path.stem: imread(path) for path in (written[1] / "figures").glob("*.png")}
    assert set(pictures) == names
    for picture in pictures.values():
        assert min(picture.shape[:2]) > 300 and picture.std() > 0.01


def test_a_panel_shows_the_slots_masked_and_alone_and_matches_colours_to_the_truth():
    packed = packed_squares()
    evaluation = evaluate(ColourModel(), packed)
    panel = pictures.panel(evaluation.examples[0].explanation)
    truth = packed.masks[evaluation.examples[0].row]
    assert np.array_equal(panel.observation, COLOURS[truth])
    assert np.array_equal(panel.truth, panel.segmentation)
    assert (panel.slots[2].masked[truth == 2] == COLOURS[2]).all()
    assert not (panel.slots[2].masked[truth != 2] == COLOURS[2]).all(1).any()
    assert (panel.slots[2].alone == COLOURS[2]).all()
    assert [slot.visible for slot in panel.slots][-1] is False


def test_the_page_without_masks_marks_duplicates_by_latents(tmp_path):
    evaluation = evaluate(ColourModel(twins=True), packed_squares(scenes=12, masks=False))
    page = Page(write_results(evaluation, PROVENANCE, CARD, tmp_path).read_text())
    assert page.of_class("warning") and "Not every scene has ground-truth masks" in page.text
    assert "cosine similarity" in page.text and "ground truth" not in page.text
    assert json.loads((tmp_path / "metrics.json").read_text())["metrics"]["miou"] is None
    assert not (tmp_path / "figures" / "miou_histogram.png").exists()


def test_the_page_says_when_images_were_resized(tmp_path):
    evaluation = evaluate(ColourModel(), packed_squares(scenes=1, views=1))
    provenance = dataclasses.replace(PROVENANCE, source_size=(480, 640))
    page = write_results(evaluation, provenance, CARD, tmp_path).read_text()
    assert "cropped and resized from 640 × 480" in page
    assert json.loads((tmp_path / "metrics.json").read_text())["metrics"]["miou"]["low"] is None


@pytest.fixture(scope="module")
def with_views(tmp_path_factory):
    """An evaluation of scenes with views that the model has not seen, the folder, and its page."""
    out = tmp_path_factory.mktemp("views")
    evaluation = evaluate(OrbitModel(), packed_orbits(scenes=4, views=7))
    page = write_results(evaluation, dataclasses.replace(PROVENANCE, observe=5), CARD, out)
    return evaluation, out, Page(page.read_text())


def test_the_page_shows_every_view_of_some_scenes_and_tells_which_were_unseen(with_views):
    evaluation, _, page = with_views
    assert "Views it has not seen" in page.text
    alts = [attrs["alt"] for tag, attrs in page.tags if tag == "img"]
    for name in ("image", "rendered", "segmented", "truth"):
        for view in range(7):
            assert alts.count(f"view {view}, {name}") == len(evaluation.scenes) == 3
    assert page.text.count("Unseen:") == 3
    assert [scene.name in page.text for scene in evaluation.scenes] == [True] * 3
    unseen_examples = sum(not example.explanation.observed[0] for example in evaluation.examples)
    assert page.text.count(", unseen") == unseen_examples + page.text.count("mIoU, unseen views")


def test_metrics_json_and_the_page_hold_the_measures_of_unseen_views(with_views):
    evaluation, out, page = with_views
    document = json.loads((out / "metrics.json").read_text())
    assert document["observe"] == 5
    names = {"miou_unseen", "mse_unseen", "miou_observed", "fg_ari_unseen", "duplicate_rate_unseen", "miou_scene"}
    missing = [name for name, values in document["metrics"].items() if values is None]
    assert names <= set(document["metrics"]) and missing == ["inference_gap"]
    assert "mIoU, unseen views" in page.text and "mIoU, scene" in page.text and "views shown" in page.text
    with (out / "per_image.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sum(row["observed"] == "1" for row in rows) == 20 and sum(row["observed"] == "0" for row in rows) == 8
    values = [float(row["mse"]) for row in rows if row["observed"] == "0"]
    assert np.mean(values) == pytest.approx(document["metrics"]["mse_unseen"]["mean"], rel=1e-4)


def test_the_unseen_views_are_written_as_png(with_views):
    from matplotlib.image import imread

    picture = imread(with_views[1] / "figures" / "unseen_views.png")
    assert min(picture.shape[:2]) > 600 and picture.std() > 0.01


def test_views_are_drawn_observed_ones_first_with_their_numbers_and_one_colour_an_object(with_views):
    scene = with_views[0].scenes[0].explanation
    views = pictures.views(scene)
    assert [view.observed for view in views] == [True] * 5 + [False] * 2
    assert sorted(view.number for view in views) == list(range(7))
    colours = {}
    for view in views:
        assert np.array_equal(view.pictures["image"], COLOURS[scene.truth[view.number]])
        assert np.array_equal(view.pictures["segmented"], view.pictures["truth"])
        for instance in range(4):
            colours.setdefault(instance, set()).update(
                map(tuple, view.pictures["segmented"][scene.truth[view.number] == instance].tolist())
            )
    assert [len(colours[instance]) for instance in range(4)] == [1] * 4 and len(set.union(*colours.values())) == 4


def test_many_views_go_over_several_lines():
    scene = evaluate(OrbitModel(), packed_orbits(scenes=1, views=24), observe=3).scenes[0].explanation
    lines = pictures.lines_of_views(scene)
    assert [(len(observed), len(unseen)) for observed, unseen in lines] == [(3, 7), (0, 10), (0, 4)]


def test_pages_of_single_view_models_and_of_scenes_seen_whole_have_no_unseen_views(written, tmp_path):
    assert "Views it has not seen" not in written[2]
    evaluation = evaluate(OrbitModel(), packed_orbits(scenes=2, views=4))
    page = Page(write_results(evaluation, PROVENANCE, CARD, tmp_path).read_text())
    assert "Views it has not seen" not in page.text and "none was left" in page.text
    assert not (tmp_path / "figures" / "unseen_views.png").exists()


def test_figures_of_an_evaluation_before_do_not_stay(with_views, written, tmp_path):
    for evaluation in (with_views[0], written[0]):
        write_results(evaluation, PROVENANCE, CARD, tmp_path)
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert names == {path.name for path in (written[1] / "figures").iterdir()}


def test_the_page_shows_unseen_views_without_masks(tmp_path):
    evaluation = evaluate(OrbitModel(), packed_orbits(scenes=2, views=7, masks=False))
    page = Page(write_results(evaluation, PROVENANCE, CARD, tmp_path).read_text())
    alts = [attrs["alt"] for tag, attrs in page.tags if tag == "img"]
    assert "view 0, segmented" in alts and "view 0, truth" not in alts
    assert "Unseen: MSE" in " ".join(page.text.split())
