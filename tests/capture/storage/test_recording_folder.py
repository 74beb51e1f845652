from __future__ import annotations

import dataclasses
import json
import os
import threading
import time

import numpy as np
import pytest
from recordings import BYTES, HEIGHT, VIEWS, WIDTH, begin, contents, drawn_view, finish, record

from capture.errors import StorageError
from capture.storage import recording_folder, space
from capture.storage.names import view_file
from capture.storage.recording_folder import RecordingFolder
from datasets.dataset_index import write_dataset_index
from datasets.loading import open_dataset
from datasets.recorded import read_per_view, read_scene, write_scene
from datasets.scene import Scene


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data"


def test_a_recorded_scene_is_a_scene_of_the_dataset(root):
    with RecordingFolder(root) as folder:
        name = record(folder)
    assert contents(root) == ["dataset.json", "journals", f"journals/{name}.jsonl", f"{name}.h5"]
    dataset = open_dataset(root)
    assert dataset.kind == "recorded" and dataset.name == "data" and len(dataset) == 1
    scene, views = dataset[0], [drawn_view(0, index) for index in range(VIEWS)]
    for key, field in {"image": "images", "truth": "masks", "stamp": "stamps"}.items():
        np.testing.assert_array_equal(getattr(scene, field), [getattr(view, key) for view in views])
    for key in ("T_world_camera", "K", "distortion"):
        np.testing.assert_array_equal(getattr(scene, key), [getattr(view, key) for view in views])
    np.testing.assert_allclose(scene.depth, [view.depth for view in views], atol=0.5e-4)
    assert [o["position"] for o in scene.objects] == [[0, 0, 0], [0, 1, 0]]
    assert scene.meta == {"seed": 7, "robot": "simulated", "view_numbers": [0, 1, 2], "skipped_views": []}
    per_view = read_per_view(root / f"{name}.h5")
    np.testing.assert_array_equal(per_view["joint_positions"], [view.joint_positions for view in views])
    np.testing.assert_array_equal(per_view["quality/sharpness"], [0, 1, 2])


def test_skipped_views_are_told_in_the_scene_and_the_journal_is_kept(root):
    with RecordingFolder(root) as folder:
        scene = begin(folder)
        scene.store(2, drawn_view(0, 2))
        scene.skip(0, "out of reach")
        scene.store(1, drawn_view(0, 1))
        finish(scene)
    meta = read_scene(root / "scene_000000.h5").meta
    assert meta["view_numbers"] == [1, 2] and meta["skipped_views"] == [{"view": 0, "reason": "out of reach"}]
    events = [json.loads(line)["event"] for line in (root / "journals" / "scene_000000.jsonl").read_text().splitlines()]
    assert events == ["begun", "stored", "skipped", "stored", "finishing", "finished"]


def test_views_without_depth_truth_and_joints_make_a_scene_without(root):
    with RecordingFolder(root) as folder:
        scene = begin(folder)
        bare = dataclasses.replace(drawn_view(0, 0), depth=None, truth=None, joint_positions=None, quality={})
        scene.store(0, bare)
        scene.store(1, dataclasses.replace(bare, quality={"sharpness": 3.0}))
        finish(scene)
    read = open_dataset(root)[0]
    assert read.depth is None and read.masks is None
    assert read_per_view(root / "scene_000000.h5").keys() == {"quality/sharpness"}
    np.testing.assert_array_equal(read_per_view(root / "scene_000000.h5")["quality/sharpness"], [np.nan, 3.0])


def test_a_scene_without_a_view_leaves_its_journal_and_its_number(root):
    with RecordingFolder(root) as folder:
        scene = begin(folder)
        scene.skip(0, "dark")
        finish(scene)
        assert begin(folder).name == "scene_000001"
    assert contents(root)[:2] == ["journals", "journals/scene_000000.jsonl"]


def test_every_tenth_scene_is_for_testing_however_many_come_later(root):
    for count in (4, 8):
        with RecordingFolder(root) as folder:
            for _ in range(count):
                record(folder, views=1)
    splits = json.loads((root / "dataset.json").read_text())["splits"]
    assert splits["test"] == ["scene_000009.h5"]
    assert len(splits["train"]) == 11 and splits["train"] == sorted(splits["train"])


def test_splits_that_someone_chose_stay(root):
    with RecordingFolder(root) as folder:
        record(folder), record(folder)
    index = json.loads((root / "dataset.json").read_text())
    index["splits"] = {"train": ["scene_000001.h5"], "validation": ["scene_000000.h5"]}
    (root / "dataset.json").write_text(json.dumps(index))
    with RecordingFolder(root) as folder:
        record(folder)
    splits = json.loads((root / "dataset.json").read_text())["splits"]
    assert splits == {"train": ["scene_000001.h5", "scene_000002.h5"], "validation": ["scene_000000.h5"]}


def test_no_number_is_used_twice(root):
    with RecordingFolder(root) as folder:
        assert [record(folder), record(folder)] == ["scene_000000", "scene_000001"]
    (root / "scene_000001.h5").unlink()
    (root / "dataset.json").unlink()
    with RecordingFolder(root) as folder:
        assert folder.finished == ["scene_000000"]
        assert record(folder) == "scene_000002"


def test_scenes_that_are_not_listed_are_listed_at_opening(root):
    with RecordingFolder(root) as folder:
        record(folder), record(folder)
    (root / "dataset.json").unlink()
    with RecordingFolder(root) as folder:
        assert folder.notices == []
    assert len(open_dataset(root, "train")) == 2


def test_a_scene_file_that_cannot_be_read_is_told_and_not_listed(root):
    with RecordingFolder(root) as folder:
        record(folder)
    (root / "scene_000005.h5").write_bytes(b"cut off")
    with RecordingFolder(root) as folder:
        assert len(folder.notices) == 1 and "scene_000005.h5" in folder.notices[0]
        assert record(folder) == "scene_000006"
    assert len(open_dataset(root)) == 2


def test_what_was_being_written_at_a_crash_is_cleared(root):
    with RecordingFolder(root) as folder:
        begin(folder)
    for name in (".scene_000000.h5.writing", ".dataset.json.writing", "scene_000000.partial/.view_000000.npz.writing"):
        (root / name).write_bytes(b"half")
    (root / ".scene_000001.partial.writing").mkdir()
    with RecordingFolder(root) as folder:
        assert contents(root) == ["journals", "scene_000000.partial", "scene_000000.partial/journal.jsonl"]


def synthesise(root):
    write_scene(root / "scene_000000.h5", Scene("s", np.ones((1, 4, 4, 3), np.uint8)))
    write_dataset_index(root, "cubes", "table_cubes", {"scene_000000.h5": 1}, {"train": ["scene_000000.h5"]})


def download(root):
    (root / "data").mkdir(parents=True)
    (root / f"{root.name}_train.json").write_text("{}")


@pytest.mark.parametrize(("make", "kind"), [(synthesise, "table_cubes"), (download, "clevr_mv")])
def test_a_dataset_that_was_not_recorded_is_refused_and_untouched(root, make, kind):
    make(root)
    before = list(root.rglob("*"))
    with pytest.raises(StorageError, match=f"of kind '{kind}'"), RecordingFolder(root):
        pass
    assert list(root.rglob("*")) == before


def test_a_damaged_index_is_named(root):
    with RecordingFolder(root) as folder:
        record(folder)
    (root / "dataset.json").write_text("{")
    with pytest.raises(StorageError, match="dataset.json.*JSON"), RecordingFolder(root):
        pass


def test_one_scene_at_a_time(root):
    with RecordingFolder(root) as folder:
        begin(folder)
        with pytest.raises(StorageError, match="scene_000000.partial: is not finished"):
            begin(folder)
    with RecordingFolder(root) as folder:
        with pytest.raises(StorageError, match="is not finished"):
            begin(folder)
        finish(folder.continue_scene())
        with pytest.raises(StorageError, match="no interrupted scene"):
            folder.continue_scene()


def test_the_session_outlives_the_process(root):
    with RecordingFolder(root) as folder:
        assert folder.session is None
        folder.save_session({"scenes": 5, "seed": np.int64(3)})
    with RecordingFolder(root) as folder:
        assert folder.session == {"scenes": 5, "seed": 3}
        with pytest.raises(StorageError, match="session.json"):
            folder.save_session({"bad": object()})
        assert folder.session == {"scenes": 5, "seed": 3}
    (root / "session.json").write_text("{")
    with RecordingFolder(root) as folder, pytest.raises(StorageError, match="session.json.*remove it"):
        _ = folder.session


def test_the_next_scene_begins_while_the_last_one_is_being_finished(root, monkeypatch):
    may_finish = threading.Event()
    hold_finishing(monkeypatch, may_finish)
    with RecordingFolder(root) as folder:
        record(folder)
        scene = begin(folder)
        scene.store(0, drawn_view(1, 0))
        assert folder.finished == []
        may_finish.set()
        finish(scene)
    assert folder.finished == ["scene_000000", "scene_000001"]


def hold_finishing(monkeypatch, event: threading.Event) -> None:
    finish_scene = recording_folder.finish_scene

    def held(*arguments):
        assert event.wait(20)
        finish_scene(*arguments)

    monkeypatch.setattr(recording_folder, "finish_scene", held)


def test_a_scene_that_cannot_be_finished_is_told_at_the_next_call_and_finished_at_the_next_opening(root, monkeypatch):
    with RecordingFolder(root) as folder:
        with monkeypatch.context() as patch:
            failed = threading.Event()
            patch.setattr(recording_folder, "finish_scene", lambda *_: fail(failed))
            record(folder)
            assert failed.wait(20)
        with pytest.raises(StorageError, match="the disk is full"):
            begin(folder)
        assert record(folder) == "scene_000001"  # told once; it goes on when there is room again
    assert folder.finished == ["scene_000001"]
    with RecordingFolder(root) as folder:
        assert folder.finished == ["scene_000000", "scene_000001"] and "scene_000000" in folder.notices[0]
    np.testing.assert_array_equal(read_scene(root / "scene_000000.h5").images[1], drawn_view(0, 1).image)


def fail(failed: threading.Event) -> None:
    failed.set()
    raise StorageError("the disk is full")


def test_closing_tells_what_went_wrong_in_the_background(root, monkeypatch):
    monkeypatch.setattr(recording_folder, "finish_scene", lambda *_: fail(threading.Event()))
    with pytest.raises(StorageError, match="the disk is full"), RecordingFolder(root) as folder:
        record(folder)
    with pytest.raises(KeyError) as caught, RecordingFolder(root.with_name("other")) as folder:
        record(folder)
        raise KeyError("the first error is the one that is told")
    assert caught.value.__notes__ == ["the disk is full"]


def test_a_view_that_is_damaged_before_the_scene_is_finished_is_left_out_and_told(root, monkeypatch):
    may_finish = threading.Event()
    hold_finishing(monkeypatch, may_finish)
    with RecordingFolder(root) as folder:
        record(folder)
        path = view_file(root / "scene_000000.partial", 1)
        path.write_bytes(path.read_bytes()[:-500])
        may_finish.set()
    assert read_scene(root / "scene_000000.h5").meta["view_numbers"] == [0, 2]
    assert '"lost", "view": 1' in (root / "journals" / "scene_000000.jsonl").read_text()
    assert len(open_dataset(root)[0].images) == 2


def test_a_scene_for_which_there_is_no_room_does_not_begin(root, monkeypatch):
    with RecordingFolder(root) as folder:
        monkeypatch.setattr(space, "free_bytes", lambda _: space.SPARE_BYTES + 4 * VIEWS * BYTES)
        assert space.scenes_that_fit(root, VIEWS, BYTES) == 3
        monkeypatch.setattr(space, "free_bytes", lambda _: space.SPARE_BYTES + 2 * VIEWS * BYTES - 1)
        assert space.scenes_that_fit(root, VIEWS, BYTES) == 0
        with pytest.raises(StorageError, match="no room for another scene: 3 views may need .* free"):
            begin(folder)
    assert contents(root) == ["journals"]


def test_a_view_takes_no_more_room_than_told(root):
    with RecordingFolder(root) as folder:
        scene = begin(folder)
        scene.store(0, drawn_view(0, 0))
        assert view_file(scene.path, 0).stat().st_size <= space.view_bytes(HEIGHT, WIDTH, depth=True, truth=True)


def test_many_scenes_leave_nothing_open(root):
    with RecordingFolder(root) as folder:
        held = []
        for _ in range(12):
            record(folder)
            while list(root.glob("*.partial")):
                time.sleep(0.001)
            held.append((len(os.listdir("/proc/self/fd")), threading.active_count()))
    assert min(held[:6]) == min(held[6:])  # the thread may have one more open at any one moment
