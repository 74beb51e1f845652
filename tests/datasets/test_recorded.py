from __future__ import annotations

import dataclasses
import json
import os

import h5py
import numpy as np
import pytest

from capture.storage.index import list_unlisted
from datasets.loading import open_dataset
from datasets.recorded import read_per_view, read_scene, write_dataset_index, write_scene
from datasets.scene import DatasetError, Scene


@pytest.fixture
def file(tmp_path, drawn_scene):
    path = tmp_path / "scene_000007.h5"
    write_scene(path, drawn_scene)
    return path


def test_what_is_written_is_read(file, drawn_scene):
    scene = read_scene(file)
    for field in dataclasses.fields(Scene):
        expected, got = getattr(drawn_scene, field.name), getattr(scene, field.name)
        if field.name == "depth":
            np.testing.assert_allclose(got, expected, atol=0.5e-4 + 1e-7)
        elif isinstance(expected, np.ndarray):
            np.testing.assert_array_equal(got, expected)
            assert got.dtype == expected.dtype
        else:
            assert got == expected


def test_only_images_are_required(tmp_path, drawn_scene):
    write_scene(tmp_path / "scene_000000.h5", Scene("bare", drawn_scene.images))
    scene = read_scene(tmp_path / "scene_000000.h5")
    assert scene.masks is None and scene.K is None and scene.objects == []


def test_attributes_join_meta_and_per_view_data_is_kept(tmp_path, drawn_scene):
    path = tmp_path / "scene_000000.h5"
    attributes = {"robot": "jaco", "hand_eye_residual": 0.002, "joint_names": ["a", "b"], "note": "x" * 100_000}
    per_view = {"joint_positions": np.ones((4, 2)), "quality/sharpness": np.arange(4.0)}
    write_scene(path, drawn_scene, attributes, per_view)
    assert read_scene(path).meta == {**drawn_scene.meta, **attributes}
    stored = read_per_view(path)
    assert stored.keys() == per_view.keys()
    np.testing.assert_array_equal(stored["quality/sharpness"], np.arange(4.0))


def test_numpy_values_in_objects_and_meta_are_stored_plainly(tmp_path, drawn_scene):
    scene = dataclasses.replace(drawn_scene, objects=[{"position": np.arange(3)}], meta={"seed": np.int64(3)})
    write_scene(tmp_path / "scene_000000.h5", scene)
    read = read_scene(tmp_path / "scene_000000.h5")
    assert read.objects == [{"position": [0, 1, 2]}] and read.meta == {"seed": 3}


def test_unknown_depth_stays_zero_and_far_depth_fits(tmp_path, drawn_scene):
    depth = drawn_scene.depth.copy()
    depth[0, 0, :2] = 0, 40.0
    write_scene(tmp_path / "scene_000000.h5", dataclasses.replace(drawn_scene, depth=depth))
    read = read_scene(tmp_path / "scene_000000.h5").depth
    assert read[0, 0, 0] == 0
    np.testing.assert_allclose(read, depth, atol=0.5 * 40 / 65535 + 1e-5)


def test_a_view_is_read_without_the_others(file):
    with h5py.File(file) as stored:
        assert stored["images"].chunks[0] == stored["masks"].chunks[0] == 1
        assert stored["depth"].dtype == np.uint16


def test_the_same_scene_gives_the_same_file(tmp_path, drawn_scene):
    for folder in "ab":
        write_scene(tmp_path / folder / "scene_000000.h5", drawn_scene)
    assert open_dataset(tmp_path / "a").digest() == open_dataset(tmp_path / "b").digest()


def test_a_scene_appears_whole_or_not_at_all(tmp_path, drawn_scene, monkeypatch):
    def power_cut(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", power_cut)
    with pytest.raises(KeyboardInterrupt):
        write_scene(tmp_path / "scene_000000.h5", drawn_scene)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_rewrite_leaves_the_old_scene(file, drawn_scene):
    before = file.read_bytes()
    with pytest.raises(DatasetError, match="scene_000007.h5.*cannot be stored"):
        write_scene(file, dataclasses.replace(drawn_scene, meta={"bad": object()}))
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize(
    ("attributes", "per_view"),
    [
        ({"format": "mine"}, {}),
        ({"note": {"a": 1}}, {}),
        ({}, {"joint_positions": np.ones(3)}),
        ({}, {"x": np.ones(4)}),
    ],
)
def test_what_has_no_place_in_the_file_is_refused(tmp_path, drawn_scene, attributes, per_view):
    with pytest.raises(DatasetError, match="scene_000000.h5"):
        write_scene(tmp_path / "scene_000000.h5", drawn_scene, attributes, per_view)
    assert not (tmp_path / "scene_000000.h5").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path, drawn_scene):
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="file/scene_000000.h5: cannot be written"):
        write_scene(tmp_path / "file" / "scene_000000.h5", drawn_scene)


@pytest.mark.parametrize("keep", [0, 7, 100, 3000, -1])
def test_truncated_file(file, keep):
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DatasetError, match="scene_000007.h5: is truncated, damaged or no HDF5 file"):
        read_scene(file)


def test_flipped_bytes_in_the_images_are_noticed(file):
    content = bytearray(file.read_bytes())
    with h5py.File(file) as stored:
        start = stored["images"].id.get_chunk_info(1).byte_offset
    content[start + 20 : start + 60] = bytes(40)
    file.write_bytes(content)
    with pytest.raises(DatasetError, match="scene_000007.h5: is truncated, damaged"):
        read_scene(file)


def test_damaged_text_is_noticed_and_not_read_for_ever(file):
    content = bytearray(file.read_bytes())
    part = content.index(b"GCOL") + 16
    content[part : part + 16] = bytes(16)
    file.write_bytes(content)
    with pytest.raises(DatasetError, match="scene_000007.h5: its text is damaged"):
        read_scene(file)


def test_missing_file(tmp_path):
    with pytest.raises(DatasetError, match="scene_000001.h5: no such file"):
        read_scene(tmp_path / "scene_000001.h5")


def _change(stored: h5py.File, name: str, value: object) -> None:
    del stored[name]
    stored[name] = value


def _declare_absurd(stored: h5py.File) -> None:
    del stored["images"]
    stored.create_dataset("images", (10**6, 10**4, 10**4, 3), np.uint8, chunks=(1, 64, 64, 3))


def _link_elsewhere(stored: h5py.File) -> None:
    del stored["K"]
    stored["K"] = h5py.ExternalLink("other.h5", "K")
    with h5py.File(os.path.join(os.path.dirname(stored.filename), "other.h5"), "w") as other:
        other["K"] = np.zeros((4, 3, 3))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda f: f.attrs.modify("format", "lds_scene/9"), "format 'lds_scene/9'; this version of lds_scenes reads"),
        (lambda f: f.attrs.__delitem__("format"), "no recorded scene"),
        (lambda f: f.attrs.modify("objects", "{"), "damaged"),
        (lambda f: f.attrs.modify("meta", "[]"), "'meta' must be a JSON dict"),
        (lambda f: f.__delitem__("images"), "no 'images'"),
        (lambda f: _change(f, "images", np.zeros((4, 8, 8), np.uint8)), r"images must be uint8 \[V,H,W,3\]"),
        (lambda f: _change(f, "images", np.zeros((4, 8, 8, 3), np.float32)), "'images' must be uint8, got float32"),
        (lambda f: _change(f, "masks", np.zeros((4, 9, 9), np.uint8)), "masks must be uint8"),
        (lambda f: _change(f, "T_world_camera", np.full((4, 4, 4), np.nan)), "T_world_camera holds NaN"),
        (lambda f: _change(f, "K", np.zeros((4, 3))), "K must be float64"),
        (lambda f: f["depth"].attrs.modify("depth_scale", -1.0), "depth_scale"),
        (_declare_absurd, "absurd size"),
        (lambda f: _change(f, "amodal_masks", np.zeros(4, bool)), "amodal_masks must be bool"),
        (lambda f: _change(f, "distortion", np.zeros((4, 3))), "distortion must be float64"),
        (lambda f: f.attrs.create("note", np.bytes_(b"x")), "'note' must be text, a number or a list"),
        (_link_elsewhere, "'K' is no array stored in this file"),
    ],
)
def test_wrong_content_is_named_with_its_file(file, damage, words):
    with h5py.File(file, "r+") as stored:
        damage(stored)
    with pytest.raises(DatasetError, match=f"scene_000007.h5: .*{words}"):
        read_scene(file)


@pytest.fixture
def dataset_folder(tmp_path, drawn_scene):
    root = tmp_path / "kitchen"
    names = [f"scene_{i:06d}.h5" for i in range(3)]
    for i, name in enumerate(names):
        write_scene(root / name, dataclasses.replace(drawn_scene, images=drawn_scene.images + np.uint8(i)))
    write_dataset_index(root, "kitchen", "drawn", dict.fromkeys(names, 4), {"train": names[:2], "test": names[2:]})
    return root


def test_dataset_with_index(dataset_folder):
    dataset = open_dataset(dataset_folder)
    assert (dataset.name, dataset.kind, dataset.splits) == ("kitchen", "drawn", {"train": 2, "test": 1})
    assert [scene.name for scene in dataset] == [f"scene_{i:06d}" for i in range(3)]
    assert [scene.name for scene in open_dataset(dataset_folder, "test")] == ["scene_000002"]
    assert dataset[-1].name == "scene_000002"
    with pytest.raises(IndexError):
        dataset[3]


def test_dataset_without_index_is_for_training_until_it_has_ten_scenes(dataset_folder):
    (dataset_folder / "dataset.json").unlink()
    assert open_dataset(dataset_folder).splits == {"train": 3}
    assert len(open_dataset(dataset_folder, "train")) == 3
    with pytest.raises(DatasetError, match="has no split 'test'; it has train"):
        open_dataset(dataset_folder, "test")


def test_dataset_without_index_splits_as_the_recorder_would_list_it(tmp_path, drawn_scene):
    for number in (0, 8, 9, 10, 19, 20, 1000009):
        write_scene(tmp_path / f"scene_{number:06d}.h5", drawn_scene)
    unlisted = {split: open_dataset(tmp_path, split).files() for split in ("train", "test")}
    assert [path.name for path in unlisted["test"]] == ["scene_000009.h5", "scene_000019.h5", "scene_1000009.h5"]
    assert list_unlisted(tmp_path) == []
    assert (tmp_path / "dataset.json").exists()
    assert {split: open_dataset(tmp_path, split).files() for split in ("train", "test")} == unlisted


def test_unfinished_files_are_no_scenes(dataset_folder):
    (dataset_folder / "dataset.json").unlink()
    (dataset_folder / ".scene_000009.h5.writing").write_bytes(b"half")
    (dataset_folder / "scene_000010.partial").mkdir()
    assert len(open_dataset(dataset_folder)) == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "lds_scenes/2"}, "lds_scenes/2"),
        ({"name": None}, "'name'"),
        ({"scenes": {}}, "'scenes'"),
        ({"scenes": ["scene_000000.h5"]}, "a scene must be"),
        ({"scenes": [{"file": "scene_000000.h5", "views": 0}]}, "a scene must be"),
        ({"scenes": [{"file": "../kitchen2/scene_000000.h5", "views": 4}]}, "outside of the dataset's folder"),
        ({"scenes": [{"file": "/etc/passwd", "views": 4}]}, "outside of the dataset's folder"),
        ({"scenes": [{"file": "scene_000000.h5", "views": 4}] * 2}, "twice"),
        ({"scenes": [{"file": f"{day}/scene_000000.h5", "views": 4} for day in "ab"]}, "several that are called"),
        ({"splits": {"train": ["scene_000009.h5"]}}, "not among its scenes"),
        ({"splits": {"train": [["scene_000000.h5"]]}}, "not among its scenes"),
        ({"splits": []}, "'splits'"),
        ({"scenes": ["x" * 9000]}, "a scene must be .{0,400}$"),
    ],
)
def test_wrong_index_is_named(dataset_folder, change, words):
    path = dataset_folder / "dataset.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(DatasetError, match=f"dataset.json: .*{words}"):
        open_dataset(dataset_folder)


def test_index_that_is_no_json(dataset_folder):
    (dataset_folder / "dataset.json").write_text('{"format": ')
    with pytest.raises(DatasetError, match="dataset.json: is not valid JSON"):
        open_dataset(dataset_folder)


def test_index_that_tells_another_number_of_views(dataset_folder):
    path = dataset_folder / "dataset.json"
    path.write_text(path.read_text().replace('"views": 4', '"views": 5'))
    with pytest.raises(DatasetError, match="scene_000000.h5: has 4 views, dataset.json lists 5"):
        open_dataset(dataset_folder)[0]
