from __future__ import annotations

import json
import shutil

import pytest
from crashing import CRASHED, drop_and_crash, heard, hold, restore_and_crash, start
from recordings import begin, contents, finish, record

from capture.errors import StorageError
from capture.recording.goal import Goal, begin_session, is_complete, resume_session
from capture.storage.dropping import drop_scenes, dropped_scenes, restore_scenes
from capture.storage.recording_folder import RecordingFolder
from datasets.loading import open_dataset
from datasets.recorded import write_dataset_index
from datasets.scene import DatasetError


@pytest.fixture
def root(tmp_path):
    record_scenes(tmp_path / "data", 3)
    return tmp_path / "data"


def record_scenes(root, count):
    with RecordingFolder(root) as folder:
        return [record(folder, views=1) for _ in range(count)]


def index(root):
    return json.loads((root / "dataset.json").read_text())


def names(root):
    return [scene.name for scene in open_dataset(root)]


def all_bytes(root):
    """Every file but the lock and the list of drops, with what it holds."""
    return {name: (root / name).read_bytes() for name in contents(root) if (root / name).is_file()}


def test_a_dropped_scene_leaves_the_dataset_and_nothing_of_it_is_lost(root):
    before = all_bytes(root)
    drop_scenes(root, ["scene_000001"], "my hand is in it")
    assert names(root) == ["scene_000000", "scene_000002"]
    assert index(root)["splits"]["train"] == ["scene_000000.h5", "scene_000002.h5"]
    for name in ("scene_000001.h5", "journals/scene_000001.jsonl"):
        assert (root / "dropped" / name).read_bytes() == before[name] and not (root / name).exists()
    assert dropped_scenes(root) == {"scene_000001": "my hand is in it"}
    assert names(root / "dropped") == ["scene_000001"]


def test_a_restored_scene_is_where_it_was(root):
    chosen = {"validation": ["scene_000001.h5"], "train": ["scene_000000.h5", "scene_000002.h5"]}
    write_dataset_index(root, "data", "recorded", {f"scene_00000{i}.h5": 1 for i in range(3)}, chosen)
    before, digest = all_bytes(root), open_dataset(root).digest()
    drop_scenes(root, ["scene_000001", "scene_000002.h5"])
    restore_scenes(root, ["scene_000002", str(root / "scene_000001.h5")])
    after = all_bytes(root)
    assert after.pop("dropped/dropped.jsonl")
    assert after == before and open_dataset(root).digest() == digest and dropped_scenes(root) == {}


def test_a_damaged_scene_is_dropped_and_comes_back_only_whole(root):
    file = root / "scene_000001.h5"
    whole = file.read_bytes()
    file.write_bytes(whole[:1000])
    with pytest.raises(
        DatasetError, match=f"scene_000001.h5: .*; to go on without it: lds data drop {root} scene_000001"
    ):
        open_dataset(root)[1]
    drop_scenes(root, ["scene_000001"])
    assert names(root) == ["scene_000000", "scene_000002"]
    with pytest.raises(DatasetError, match="dropped/scene_000001.h5: is truncated"):
        restore_scenes(root, ["scene_000001"])
    (root / "dropped" / "scene_000001.h5").write_bytes(whole)
    restore_scenes(root, ["scene_000001"])
    assert len(names(root)) == 3


def test_a_scene_whose_file_was_deleted_is_taken_off_the_list(root):
    (root / "scene_000002.h5").unlink()
    remedy = f"to go on without it: lds data drop {root} scene_000002"
    with pytest.raises(DatasetError, match=remedy):
        open_dataset(root)[2]
    with pytest.raises(DatasetError, match=remedy):
        open_dataset(root).digest()
    drop_scenes(root, ["scene_000002"])
    assert names(root) == ["scene_000000", "scene_000001"]
    (root / "journals" / "scene_000002.jsonl").unlink(missing_ok=True)
    assert record_scenes(root, 1) == ["scene_000003"]


def test_the_number_of_a_dropped_scene_is_not_used_again(root):
    drop_scenes(root, ["scene_000002"])
    assert record_scenes(root, 1) == ["scene_000003"]
    assert names(root) == ["scene_000000", "scene_000001", "scene_000003"]


def test_dropping_a_scene_of_a_session_makes_it_no_less_complete(root):
    """So a session that goes on, and one that begins, give no scene the seed of another."""
    with RecordingFolder(root) as folder:
        begin_session(folder, Goal(2, 1, "ring", 7, True, ""))
        for _ in range(2):
            record(folder)
    drop_scenes(root, ["scene_000000", "scene_000004"])
    with RecordingFolder(root) as folder:
        assert is_complete(folder, resume_session(folder))
        assert begin_session(folder, Goal(1, 1, "ring", 7, True, "")).scenes_before == 5


def test_an_unlisted_scene_is_listed(root):
    listed = {"scene_000000.h5": 1, "scene_000002.h5": 1}
    write_dataset_index(root, "data", "recorded", listed, {"train": list(listed)})
    restore_scenes(root, ["scene_000001"])
    assert index(root)["splits"] == {"train": [f"scene_00000{i}.h5" for i in range(3)]}
    assert dropped_scenes(root) == {}


def test_scenes_that_are_not_there_are_refused_before_any_is_moved(root):
    before = contents(root)
    with pytest.raises(StorageError, match="has no scene 'scene_000009'; it has scene_000000, scene_000001, scene_0"):
        drop_scenes(root, ["scene_000001", "scene_000009"])
    with pytest.raises(StorageError, match="has no scene '7'"):
        restore_scenes(root, ["7"])
    assert contents(root) == before


def test_a_scene_that_is_being_finished_is_refused(root):
    with RecordingFolder(root) as folder:
        begin(folder)
        with pytest.raises(StorageError, match="another recorder is at work there"):
            drop_scenes(root, ["scene_000000"])
    (root / "scene_000003.h5").write_bytes((root / "scene_000000.h5").read_bytes())
    with pytest.raises(StorageError, match="scene_000003.partial: is not finished; first `lds capture resume"):
        drop_scenes(root, ["scene_000003"])
    with RecordingFolder(root) as folder:
        finish(folder.continue_scene())


def test_other_folders_are_left_alone(tmp_path):
    with pytest.raises(StorageError, match="holds no dataset.json and no scene_"):
        drop_scenes(tmp_path, ["scene_000000"])
    assert contents(tmp_path) == []


def test_no_file_outside_of_the_dataset_is_moved(root):
    outside = root.parent / "precious.h5"
    outside.write_bytes(b"precious")
    (root / "dropped").mkdir()
    (root / "dropped" / "dropped.jsonl").write_text('{"event": "dropped", "file": "../precious.h5"}\n')
    with pytest.raises(DatasetError, match="outside of the dataset's folder"):
        drop_scenes(root, ["precious"])
    assert outside.read_bytes() == b"precious"


def test_a_recorder_keeps_droppers_out_also_in_another_process(root):
    holder, pipe = start(hold, root)
    assert pipe.recv() == "locked"
    with pytest.raises(StorageError, match=rf"another recorder is at work there \(process {holder.pid}"):
        drop_scenes(root, ["scene_000000"])
    holder.kill()
    holder.join()


def drop(root):
    drop_scenes(root, ["scene_000000"], "blurred")


def restore(root):
    restore_scenes(root, ["scene_000000"])


@pytest.mark.parametrize(
    ("prepare", "crash", "again", "listed", "out"),
    [
        (names, drop_and_crash, drop, ["scene_000001"], {"scene_000000": "blurred"}),
        (drop, restore_and_crash, restore, ["scene_000000", "scene_000001"], {}),
    ],
)
def test_a_crash_between_any_two_changes_of_the_file_system_is_completed_by_the_same_command(
    tmp_path, prepare, crash, again, listed, out
):
    """In between the other scenes can be read, and what cannot be says what to do."""
    record_scenes(tmp_path / "data", 2)
    before = all_bytes(tmp_path / "data")
    prepare(tmp_path / "data")
    for at in range(1, 200):
        root = tmp_path / f"{at}" / "data"
        shutil.copytree(tmp_path / "data", root)
        process, pipe = start(crash, root, at)
        heard(pipe)
        process.join()
        expect_usable(root, before)
        again(root)
        assert names(root) == listed and dropped_scenes(root) == out
        assert record_scenes(root, 1) == ["scene_000002"]
        if process.exitcode == 0:
            break
        assert process.exitcode == CRASHED
    assert at > 10


def expect_usable(root, before):
    """Both scenes lie somewhere, with their journals; what the dataset lists can be read, or it says what to do."""
    found = {name.removeprefix("dropped/"): content for name, content in all_bytes(root).items()}
    assert {name: found[name] for name in before if name != "dataset.json"} == {
        name: content for name, content in before.items() if name != "dataset.json"
    }
    dataset = open_dataset(root)
    for place, file in enumerate(dataset.files()):
        if file.exists():
            assert dataset[place].name == file.stem
        else:
            with pytest.raises(DatasetError, match=f"lds data drop {root} scene_000000"):
                dataset[place]
