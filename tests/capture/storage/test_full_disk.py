from __future__ import annotations

import subprocess

import pytest
from recordings import BYTES, VIEWS, begin, contents, drawn_view, finish, record, same

from capture.errors import StorageError
from capture.storage import space
from capture.storage.recording_folder import RecordingFolder
from capture.storage.space import free_bytes
from datasets.loading import open_dataset

LARGE = (120, 160)


def fill(disk, leave: int) -> None:
    """Take all room but `leave` kilobytes."""
    with open(disk / "other_data", "wb") as file:
        file.write(bytes(max(0, free_bytes(disk) - leave * 1024)))


def test_a_full_disk_ends_storing_and_loses_nothing(small_disk):
    disk = small_disk(8192)
    with RecordingFolder(disk / "data") as folder:
        scene = begin(folder)
        scene.store(0, drawn_view(0, 0, LARGE))
        fill(disk, leave=100)
        before = contents(disk)
        words = r"view_000001.npz: the disk is full: 153.6 kB needed, 1\d\d\.\d kB free"
        with pytest.raises(StorageError, match=words):
            scene.store(1, drawn_view(0, 1, LARGE))
        assert contents(disk) == before and scene.stored == [0]
        assert same(scene.views()[0], drawn_view(0, 0, LARGE))
        (disk / "other_data").unlink()
        scene.store(1, drawn_view(0, 1, LARGE))
        finish(scene)
    assert open_dataset(disk / "data")[0].num_views == 2


def test_a_recording_that_fills_the_disk_keeps_every_view_and_goes_on_when_there_is_room(small_disk, monkeypatch):
    disk = small_disk(8192)
    monkeypatch.setattr(space, "free_bytes", lambda _: 10**9)  # as if there was room until others took it
    stored = []
    with pytest.raises(StorageError, match="disk is full"), RecordingFolder(disk / "data") as folder:
        for number in range(100):
            scene = begin(folder)
            for index in range(4):
                scene.store(index, drawn_view(number, index, LARGE))
                stored.append((number, index))
            finish(scene)
    assert len(stored) > 50
    subprocess.run(["mount", "-o", "remount,size=16m", str(disk)], check=True)
    with RecordingFolder(disk / "data") as folder:
        if folder.interrupted:
            finish(folder.continue_scene())
    dataset = open_dataset(disk / "data")
    for number, index in stored:
        recorded = dataset[number]
        image = recorded.images[recorded.meta["view_numbers"].index(index)]
        assert (image == drawn_view(number, index, LARGE).image).all()


def test_a_disk_that_is_full_when_a_scene_is_finished_keeps_the_scene(small_disk):
    disk = small_disk(8192)
    root = disk / "data"
    with pytest.raises(StorageError, match="scene_000001.h5: the disk is full"), RecordingFolder(root) as folder:
        record(folder)
        scene = begin(folder)
        for index in range(VIEWS):
            scene.store(index, drawn_view(1, index, LARGE))
        fill(disk, leave=100)
        finish(scene)
    assert "scene_000001.partial" in contents(root) and not list(root.glob(".*.writing"))
    assert len(open_dataset(root)) == 1
    with pytest.raises(StorageError, match="the disk is full"), RecordingFolder(root):
        pass
    (disk / "other_data").unlink()
    with RecordingFolder(root) as folder:
        assert "scene_000001" in folder.notices[0]
    assert [scene.num_views for scene in open_dataset(root)] == [VIEWS, VIEWS]


def test_a_scene_does_not_begin_on_a_disk_without_room(small_disk):
    disk = small_disk(8192)
    fill(disk, leave=4100)
    with RecordingFolder(disk / "data") as folder:
        with pytest.raises(StorageError, match="no room for another scene: 24 views may need 4.7 MB.*4.2 MB are free"):
            folder.begin_scene({}, views=24, bytes_per_view=BYTES)
        assert contents(folder.root) == ["journals"]


def test_a_disk_that_cannot_be_written_is_named(small_disk):
    disk = small_disk(1024)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(StorageError, match="data: cannot be .*Read-only"), RecordingFolder(disk / "data"):
        pass


def test_a_file_where_the_folder_should_be_is_named(tmp_path):
    (tmp_path / "data").write_text("")
    with pytest.raises(StorageError, match="data: cannot be"), RecordingFolder(tmp_path / "data"):
        pass
