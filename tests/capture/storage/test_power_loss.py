"""Power that fails at any moment of a recording: what was told as stored or finished is there when it comes back."""

from __future__ import annotations

import random

import pytest
from power_loss import WatchedDisk, put_back
from recordings import VIEWS, begin, contents, drawn_view, expect_all, finish

from capture.storage.names import LOCK
from capture.storage.recording_folder import RecordingFolder
from datasets.atomic import whole_file


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """An empty folder whose disk is watched; and what would be left of it before each sync, told as it is put there."""
    path = tmp_path / "disk"
    path.mkdir()
    chance = random.Random(0)
    moments, told = [], []

    def cut() -> None:
        for fate in (lambda: False, *3 * [lambda: chance.random() < 0.5]):
            moments.append((disk.left(fate), list(told)))

    disk = WatchedDisk(path, monkeypatch, cut)
    yield path, cut, moments, told
    disk.close()


def test_a_recording_whose_power_fails_has_all_that_it_told(watched, tmp_path):
    path, cut, moments, told = watched
    with RecordingFolder(path / "data") as folder:
        scene = begin(folder)
        told.append("begun")
        for index in range(VIEWS):
            scene.store(index, drawn_view(0, index))
            told.append((0, index))
        finish(scene)
        told.append("finishing")
    cut()
    assert {len(promised) for _, promised in moments} == set(range(VIEWS + 3))
    for at, (left, promised) in enumerate(moments):
        root = put_back(left, tmp_path / f"{at}") / "data"
        expect_all(root, {view for view in promised if isinstance(view, tuple)})
        assert ("begun" in promised) <= bool([*root.glob("scene_000000.*")])
        assert ("finishing" in promised) <= (root / "scene_000000.h5").exists()


def test_what_a_closed_folder_shows_is_on_the_disk(tmp_path, monkeypatch):
    disk = WatchedDisk(tmp_path, monkeypatch, lambda: None)
    with RecordingFolder(tmp_path / "data") as folder:
        scene = begin(folder)
        scene.store(0, drawn_view(0, 0))
        finish(scene)
        folder.save_session({"seed": 7})
    on_disk, shown = (disk.left(lambda fate=fate: fate) for fate in (False, True))
    disk.close()
    assert on_disk.pop(f"data/{LOCK}") == b""  # whoever held it holds it no more
    assert shown.pop(f"data/{LOCK}") and on_disk == shown
    assert contents(tmp_path / "data")[:2] == ["dataset.json", "journals"]


def test_a_file_that_is_written_whole_is_the_old_or_the_new_one_when_the_power_fails(watched):
    path, cut, moments, told = watched
    for content in ("old", "new"):
        with whole_file(path / "runs" / "table" / "weights") as temporary:
            temporary.write_text(content)
        told.append(content)
    cut()
    allowed = {(): [None, b"old"], ("old",): [b"old", b"new"], ("old", "new"): [b"new"]}
    for left, promised in moments:
        assert left.get("runs/table/weights") in allowed[tuple(promised)]
