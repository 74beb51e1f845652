from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from recordings import begin, drawn_view, finish, same

from capture.errors import StorageError
from capture.storage.names import view_file
from capture.storage.recording_folder import RecordingFolder
from datasets.recorded import read_scene


def events(scene) -> list[tuple]:
    return [(event["event"], event.get("view")) for event in scene.journal.read()]


def reopened(root):
    with RecordingFolder(root) as folder:
        return folder.interrupted


@pytest.fixture
def two_views(tmp_path):
    """The folder of a dataset with a scene that was interrupted after views 0 and 2 were stored, and 1 skipped."""
    with RecordingFolder(tmp_path / "data") as folder:
        scene = begin(folder)
        scene.store(0, drawn_view(0, 0))
        scene.skip(1, "blurred")
        scene.store(2, drawn_view(0, 2))
    return tmp_path / "data"


def test_an_interrupted_scene_knows_its_plan_views_and_skips(two_views):
    scene = reopened(two_views)
    assert scene.name == "scene_000000" and scene.plan == {"viewpoints": "ring"}
    assert scene.stored == [0, 2] and scene.skipped == {1: "blurred"}
    np.testing.assert_array_equal(scene.poses, [drawn_view(0, i).T_world_camera for i in (0, 2)])
    assert all(same(view, drawn_view(0, index)) for index, view in scene.views().items())


def test_recording_goes_on_where_it_was_interrupted(two_views):
    with RecordingFolder(two_views) as folder:
        scene = folder.continue_scene()
        scene.store(1, drawn_view(0, 1))
        assert scene.stored == [0, 1, 2] and scene.skipped == {}
    assert reopened(two_views).stored == [0, 1, 2]


def test_a_view_that_the_journal_does_not_know_is_adopted(two_views):
    scene = reopened(two_views)
    lines = scene.journal.path.read_bytes().splitlines(keepends=True)
    scene.journal.path.write_bytes(b"".join(lines[:-1]) + lines[-1][:20])
    for _ in range(2):  # it is noted once
        again = reopened(two_views)
        assert again.stored == [0, 2] and events(again).count(("adopted", 2)) == 1
    view_file(again.path, 2).unlink()
    assert events(reopened(two_views))[-1] == ("lost", 2)


def test_a_skip_that_was_cut_off_by_its_view_being_stored_is_forgotten(two_views):
    with RecordingFolder(two_views) as folder:
        folder.continue_scene().store(1, drawn_view(0, 1))
    scene = reopened(two_views)
    lines = [line for line in scene.journal.path.read_text().splitlines() if json.loads(line)["event"] != "continued"]
    scene.journal.path.write_text("\n".join(lines[:-1]) + "\n")
    assert reopened(two_views).skipped == {}


@pytest.mark.parametrize("damage", ["missing", "truncated", "flipped"])
def test_a_view_whose_file_is_lost_counts_as_not_stored(two_views, damage):
    path = view_file(reopened(two_views).path, 2)
    content = path.read_bytes()
    path.unlink()
    if damage == "truncated":
        path.write_bytes(content[:200])
    if damage == "flipped":
        path.write_bytes(content[:200] + bytes([content[200] ^ 1]) + content[201:])
    for _ in range(2):  # it is noted once
        scene = reopened(two_views)
        assert scene.stored == [0] and events(scene).count(("lost", 2)) == 1
    with RecordingFolder(two_views) as folder:
        folder.continue_scene().store(2, drawn_view(0, 2))
    assert reopened(two_views).stored == [0, 2]


def test_all_views_of_a_scene_are_of_one_kind_also_after_an_interruption(two_views):
    with RecordingFolder(two_views) as folder:
        scene = folder.continue_scene()
        with pytest.raises(StorageError, match=r"view 3 differs.*image \[6, 8, 3\] after \[12, 16, 3\]"):
            scene.store(3, drawn_view(0, 3, size=(6, 8)))
        with pytest.raises(StorageError, match="view 3 differs.*truth None after"):
            scene.store(3, dataclasses.replace(drawn_view(0, 3), truth=None))
        assert scene.stored == [0, 2]


def test_a_stored_view_is_not_overwritten(two_views):
    with RecordingFolder(two_views) as folder:
        scene = folder.continue_scene()
        for act in (lambda: scene.store(2, drawn_view(0, 5)), lambda: scene.skip(2, "late")):
            with pytest.raises(ValueError, match="view 2 of scene_000000 is stored already"):
                act()


def test_a_finished_scene_takes_no_more_views(two_views):
    with RecordingFolder(two_views) as folder:
        scene = folder.continue_scene()
        finish(scene)
        for act in (lambda: scene.store(1, drawn_view(0, 1)), lambda: scene.skip(1, ""), lambda: finish(scene)):
            with pytest.raises(ValueError, match="has been finished"):
                act()


@pytest.mark.parametrize("value", [None, {"a": 1}, [1, "a"], [[1]], float("nan"), object()])
def test_attributes_that_no_scene_file_holds_are_refused_at_once(two_views, value):
    with RecordingFolder(two_views) as folder:
        with pytest.raises(StorageError):
            folder.continue_scene().finish({"robot": value}, [], {})
        assert folder.interrupted.final is None


def test_attributes_of_numpy_are_stored_plainly(two_views):
    values = {"a": np.float32(0.5), "b": np.int64(3), "c": [1, 2.5], "d": (), "e": ["x", "y"], "f": True}
    with RecordingFolder(two_views) as folder:
        folder.continue_scene().finish(values, [], {"seed": np.int64(3)})
    meta = read_scene(two_views / "scene_000000.h5").meta
    assert {name: meta[name] for name in values} == {**values, "d": []} and meta["seed"] == 3


def test_a_journal_without_its_beginning_is_refused_with_the_folder_to_save(two_views):
    path = reopened(two_views).journal.path
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[1:]))
    with pytest.raises(StorageError, match="scene_000000.partial.*move its folder to safety"):
        reopened(two_views)
    assert view_file(path.parent, 0).exists()


def test_notes_carry_facts(two_views):
    with RecordingFolder(two_views) as folder:
        scene = folder.continue_scene()
        scene.note("retried", view=1, reason="frozen")
        assert scene.journal.read()[-1].items() >= {"event": "retried", "view": 1, "reason": "frozen"}.items()
        with pytest.raises(ValueError, match="storage itself"):
            scene.note("stored", view=1)
