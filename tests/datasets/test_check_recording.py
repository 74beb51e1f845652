from __future__ import annotations

import dataclasses
import json

import h5py
import numpy as np
import pytest

from datasets.check import check_dataset
from datasets.loading import open_dataset
from datasets.recorded import write_dataset_index, write_scene
from datasets.recording_facts import recording_facts
from datasets.scene import DatasetError

GOOD = {"quality/sharpness": np.array([90.0, 100, 110, 95]), "quality/overexposed": np.array([0, 0.01, 0, 0.2])}


@pytest.fixture
def check(tmp_path, drawn_scene):
    def run(quality=GOOD, attributes=None, meta=None):
        scene = dataclasses.replace(drawn_scene, meta={**drawn_scene.meta, **(meta or {})})
        write_scene(tmp_path / "set" / "scene_000007.h5", scene, attributes or {"robot": "simulated"}, quality)
        return check_dataset(open_dataset(tmp_path / "set"))

    return run


def test_sound_recording(check):
    findings = check()
    assert findings.problems == [] and findings.notes == []


@pytest.mark.parametrize(
    ("measure", "values", "views"),
    [
        ("sharpness", [1, np.inf, 1, 1], "1"),
        ("overexposed", [0, 0.5, 1.5, -1], "2, 3"),
        ("sharpness", [-1, 1, 1, 1], "0"),
    ],
)
def test_quality_values_that_cannot_be(check, measure, values, views):
    (problem,) = check({f"quality/{measure}": np.array(values, float)}).problems
    assert problem == f"scene_000007: quality value '{measure}' cannot be in views {views}"


def test_a_quality_value_may_be_missing_in_a_view(check):
    assert check({"quality/sharpness": np.array([90, np.nan, 100, 95])}).problems == []


def test_a_view_much_less_sharp_than_the_others_is_a_note(check):
    assert (
        "much less sharp than the others in views 2"
        in check({"quality/sharpness": np.array([90, 100, 9, 95])}).notes[0]
    )


def test_a_recording_without_quality_values_is_a_note_and_a_synthesised_scene_is_none(check):
    assert check({}).notes == ["scene_000007: has no quality values"]
    assert check({}, {"camera": "x"}).notes == []


def test_skipped_views_are_told_with_their_reasons(check):
    skipped = [{"view": 3, "reason": "blurred"}, {"view": 9, "reason": "arm stalled"}]
    assert check(meta={"skipped_views": skipped}).notes == [
        "scene_000007: skipped viewpoint 3 (blurred), viewpoint 9 (arm stalled)"
    ]


@pytest.mark.parametrize(
    "meta", [{"view_numbers": [float("inf")]}, {"skipped_views": [{"view": float("inf"), "reason": "x"}]}]
)
def test_infinite_numbers_of_views_are_refused(tmp_path, drawn_scene, meta):
    path = tmp_path / "scene_000000.h5"
    write_scene(path, drawn_scene)
    with h5py.File(path, "r+") as file:
        file.attrs["meta"] = json.dumps(meta)
    with pytest.raises(DatasetError, match="are not as recorders write them"):
        recording_facts(path)


def test_skipped_views_in_another_form_are_a_problem(check):
    (problem,) = check(meta={"skipped_views": ["blurred"]}).problems
    assert "scene_000007.h5: skipped_views or view_numbers" in problem


def test_an_interrupted_recording_is_told_with_what_to_do(check, tmp_path):
    (tmp_path / "set" / "scene_000008.partial").mkdir(parents=True)
    (note,) = check().notes
    assert "scene_000008.partial: an interrupted recording" in note and f"lds capture resume {tmp_path / 'set'}" in note


def test_a_folder_with_nothing_but_an_interrupted_recording(tmp_path):
    (tmp_path / "scene_000000.partial").mkdir()
    with pytest.raises(DatasetError, match="only an interrupted recording.*lds capture resume"):
        open_dataset(tmp_path)


def test_scene_files_that_the_index_does_not_list(check, tmp_path, drawn_scene):
    write_scene(tmp_path / "set" / "scene_000009.h5", dataclasses.replace(drawn_scene, images=255 - drawn_scene.images))
    write_dataset_index(tmp_path / "set", "set", "recorded", {"scene_000007.h5": 4}, {"train": ["scene_000007.h5"]})
    assert "dataset.json does not list scene_000009.h5" in check().notes[0]


def test_a_scene_that_is_trained_on_and_measured_on(check, tmp_path, drawn_scene):
    """The test split was chosen by hand."""
    write_scene(tmp_path / "set" / "scene_000008.h5", dataclasses.replace(drawn_scene, images=255 - drawn_scene.images))
    one, other = "scene_000007.h5", "scene_000008.h5"
    splits = {"train": [one, other], "test": [other], "all": [one, other]}
    write_dataset_index(tmp_path / "set", "set", "recorded", dict.fromkeys((one, other), 4), splits)
    (problem,) = check().problems
    assert "dataset.json: lists in 'train' and in 'test': scene_000008; take" in problem
