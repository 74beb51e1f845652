from __future__ import annotations

import dataclasses
import os
import pickle

import numpy as np
import pytest
from recordings import drawn_view, same

from capture.errors import StorageError
from capture.storage.recorded_view import read_view, write_view
from datasets.scene import DatasetError


@pytest.mark.parametrize("absent", [(), ("depth",), ("truth",), ("depth", "truth", "joint_positions")])
def test_a_view_is_read_bit_for_bit(tmp_path, absent):
    view = dataclasses.replace(drawn_view(3, 4), **dict.fromkeys(absent))
    write_view(tmp_path / "view.npz", view)
    assert same(read_view(tmp_path / "view.npz"), view)
    assert os.listdir(tmp_path) == ["view.npz"]


def test_a_flipped_bit_anywhere_in_the_arrays_is_found(tmp_path):
    path = tmp_path / "view.npz"
    view = drawn_view(0, 0)
    write_view(path, view)
    content = path.read_bytes()
    for part in (view.image, view.depth, view.truth, view.T_world_camera):
        place = content.index(part.tobytes()) + part.nbytes // 2
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(DatasetError, match="view.npz"):
            read_view(path)


@pytest.mark.parametrize("keep", [0, 1, 30, 500, -1])
def test_a_truncated_file_is_found(tmp_path, keep):
    path = tmp_path / "view.npz"
    write_view(path, drawn_view(0, 0))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DatasetError, match="view.npz"):
        read_view(path)


def test_a_pickle_is_refused(tmp_path):
    path = tmp_path / "view.npz"
    path.write_bytes(pickle.dumps({"image": 1}))
    with pytest.raises(DatasetError, match="refused"):
        read_view(path)
    np.savez(path, **{name: np.array([{}], object) for name in ("image", "stamp", "T_world_camera")})
    with pytest.raises(DatasetError):
        read_view(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DatasetError, match="view.npz"):
        read_view(tmp_path / "view.npz")


def test_a_file_that_the_disk_does_not_give_now_is_not_taken_for_damaged(tmp_path):
    (tmp_path / "view.npz").mkdir()
    with pytest.raises(StorageError, match="view.npz: cannot be read or written .Is a directory"):
        read_view(tmp_path / "view.npz")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image": np.zeros((4, 4), np.uint8)}, "image must be uint8"),
        ({"image": np.zeros((12, 16, 3), np.float32)}, "image must be uint8"),
        ({"T_world_camera": np.full((4, 4), np.nan)}, "T_world_camera holds NaN"),
        ({"T_world_camera": np.eye(3)}, "T_world_camera must be float64"),
        ({"K": np.eye(3, dtype=np.float32)}, "K must be float64"),
        ({"distortion": np.zeros(4)}, "distortion must be float64"),
        ({"stamp": float("nan")}, "stamp holds NaN"),
        ({"depth": np.full((12, 16), np.nan, np.float32)}, "depth holds NaN"),
        ({"depth": np.full((12, 16), -1, np.float32)}, "depth is negative"),
        ({"depth": np.zeros((6, 8), np.float32)}, "depth must be float32"),
        ({"truth": np.zeros((12, 16), np.int32)}, "truth must be uint8"),
        ({"joint_positions": np.zeros((2, 3))}, "joint_positions must be"),
    ],
)
def test_what_is_no_view_cannot_be_made(change, words):
    with pytest.raises(StorageError, match=words):
        dataclasses.replace(drawn_view(0, 0), **change)
