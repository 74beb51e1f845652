"""From the views of a partial scene to a file of the dataset."""

from __future__ import annotations

import dataclasses
import os

import numpy as np
import pytest
from recordings import begin, drawn_view, finish, record

from capture.errors import StorageError
from capture.storage.recording_folder import RecordingFolder
from datasets.loading import open_dataset
from datasets.recorded import read_per_view, read_scene


def test_a_view_that_was_put_off_stands_where_it_was_taken_with_all_that_belongs_to_it(tmp_path):
    taken = [1, 2, 0]  # view 0 failed at first, and was taken at the end
    views = {number: dataclasses.replace(drawn_view(0, number), stamp=1e9 + at) for at, number in enumerate(taken)}
    with RecordingFolder(tmp_path) as folder:
        scene = begin(folder)
        for number in taken:
            scene.store(number, views[number])
        finish(scene)
    read, per_view = read_scene(tmp_path / "scene_000000.h5"), read_per_view(tmp_path / "scene_000000.h5")
    assert read.meta["view_numbers"] == taken
    for at, number in enumerate(taken):
        assert read.stamps[at] == 1e9 + at
        np.testing.assert_array_equal(read.images[at], views[number].image)
        np.testing.assert_array_equal(read.masks[at], views[number].truth)
        np.testing.assert_array_equal(read.T_world_camera[at], views[number].T_world_camera)
        np.testing.assert_allclose(read.depth[at], views[number].depth, atol=0.5e-4)
        np.testing.assert_array_equal(per_view["joint_positions"][at], views[number].joint_positions)
        assert per_view["quality/sharpness"][at] == number


def test_views_are_let_go_only_when_their_scene_was_read_back(tmp_path, monkeypatch):
    """A disk that spoils the scene's file costs nothing: its views are still there when the disk is well again."""
    replace = os.replace

    def spoiling(source, target):
        if str(target).endswith(".h5"):
            os.truncate(source, os.stat(source).st_size // 2)
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", spoiling)
        with pytest.raises(StorageError, match="scene_000000.h5"), RecordingFolder(tmp_path) as folder:
            record(folder)
    with RecordingFolder(tmp_path) as folder:
        assert folder.finished == ["scene_000000"] and folder.interrupted is None
    np.testing.assert_array_equal(open_dataset(tmp_path)[0].images, [drawn_view(0, i).image for i in range(3)])
