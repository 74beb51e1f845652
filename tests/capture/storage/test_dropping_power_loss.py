"""Power that fails at any moment of a drop or a restore: every scene is whole, in the dataset or among the dropped."""

from __future__ import annotations

import random

import pytest
from power_loss import WatchedDisk, put_back
from recordings import expect_recorded, record

from capture.storage.dropping import drop_scenes, dropped_scenes, restore_scenes
from capture.storage.recording_folder import RecordingFolder
from datasets.atomic import sync
from datasets.check import check_dataset
from datasets.loading import open_dataset
from datasets.recorded import read_scene

SCENE = "scene_000002"  # the last one: its number would be given again if it were forgotten
NAMES = ["scene_000000", "scene_000001", SCENE]


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """A recording of three scenes whose disk is watched; a call that takes a moment; moments with what was told."""
    (tmp_path / "disk").mkdir()
    chance = random.Random(0)
    moments, told = [], []

    def cut() -> None:
        for fate in (lambda: False, lambda: True, *2 * [lambda: chance.random() < 0.5]):
            moments.append((disk.left(fate), list(told)))

    disk = WatchedDisk(tmp_path / "disk", monkeypatch, cut)
    for _ in NAMES:
        with RecordingFolder(tmp_path / "disk" / "data") as folder:  # its end waits until the scene is finished
            record(folder, views=1)
    moments.clear()
    yield tmp_path / "disk" / "data", cut, moments, told
    disk.close()


def remains(moments, tmp_path):
    """Every moment's dataset, and what had been told as done."""
    for at, (left, told) in enumerate(moments):
        (tmp_path / f"{at}").mkdir()
        yield put_back({name: content for name, content in left.items() if name}, tmp_path / f"{at}") / "data", told


def problems(root):
    """All that `lds data check` finds; the poses that are drawn here are none that a camera can have."""
    return set(check_dataset(open_dataset(root)).problems)


def expect_whole(root, dropped, before):
    """Nothing new is wrong in the dataset; all scenes are there or dropped, with journals; the next number is new."""
    dataset = open_dataset(root)
    assert problems(root) <= before
    assert [scene.name for scene in dataset] == [name for name in NAMES if name not in dropped]
    assert set(dropped_scenes(root)) == set(dropped)
    expect_files(root)
    for name in dropped:
        assert (root / "dropped" / "journals" / f"{name}.jsonl").stat().st_size
    with RecordingFolder(root) as folder:
        assert folder.notices == []
        assert record(folder, views=1) == "scene_000003"


def expect_ended(left, call, dropped, before):
    """Whatever is left, nothing is lost, no other scene is touched, and the same call ends what was cut off."""
    for root, done in left:
        expect_files(root)
        assert all(SCENE in problem for problem in problems(root) - before)
        if not done:
            call(root)
        expect_whole(root, dropped, before)


def expect_files(root):
    for name in NAMES:
        places = [place for place in (root, root / "dropped") if (place / f"{name}.h5").exists()]
        assert places
        for place in places:
            expect_recorded(read_scene(place / f"{name}.h5"))
        assert any((place / "journals" / f"{name}.jsonl").stat().st_size for place in places_of_journal(root, name))


def places_of_journal(root, name):
    return [place for place in (root, root / "dropped") if (place / "journals" / f"{name}.jsonl").exists()]


def test_a_drop_whose_power_fails_loses_nothing_and_the_same_call_ends_it(recorded, tmp_path):
    path, cut, moments, told = recorded
    before = problems(path)
    drop_scenes(path, [SCENE], "blurred")
    told.append("dropped")
    cut()
    expect_ended(remains(moments, tmp_path), lambda root: drop_scenes(root, [SCENE], "blurred"), [SCENE], before)


def test_a_restore_whose_power_fails_loses_nothing_and_the_same_call_ends_it(recorded, tmp_path):
    path, cut, moments, told = recorded
    before = problems(path)
    drop_scenes(path, [SCENE])
    moments.clear()
    restore_scenes(path, [SCENE])
    told.append("restored")
    cut()
    expect_ended(remains(moments, tmp_path), lambda root: restore_scenes(root, [SCENE]), [], before)


def test_a_deleted_scene_that_was_dropped_keeps_its_number_when_the_power_fails(recorded, tmp_path):
    path, cut, moments, _ = recorded
    (path / f"{SCENE}.h5").unlink()
    (path / "journals" / f"{SCENE}.jsonl").unlink()
    sync(path / "journals")
    drop_scenes(path, [SCENE])
    moments.clear()
    cut()
    for root, _ in remains(moments, tmp_path):
        with RecordingFolder(root) as folder:
            assert record(folder, views=1) == "scene_000003"
