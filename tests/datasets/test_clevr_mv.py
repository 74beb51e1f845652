from __future__ import annotations

import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from drawn import HIDDEN_OBJECT, HIDDEN_VIEW, SIZE, SPHERES, VIEWS, draw_scene, save_structured

from datasets.camera import project
from datasets.loading import open_dataset
from datasets.scene import DatasetError

FIRST = "CLEVR_new_000000.npy"


def test_splits_and_all_scenes(official):
    root = official()
    assert len(open_dataset(root, "train")) == 2
    assert len(open_dataset(root, "test")) == 1
    dataset = open_dataset(root)
    assert [scene.name for scene in dataset] == [f"CLEVR_new_{i:06d}" for i in range(3)]
    assert dataset.splits == {"train": 2, "test": 1}
    with pytest.raises(DatasetError, match="no split 'val'; it has train, test"):
        open_dataset(root, "val")


def test_reads_images_objects_and_meta(official):
    arrays, entry = draw_scene(0)
    scene = open_dataset(official())[0]
    np.testing.assert_array_equal(scene.images, arrays["images"])
    assert scene.num_views == VIEWS and scene.num_objects == len(SPHERES)
    assert scene.objects[0]["position"] == list(SPHERES[0][1])
    assert scene.objects[0]["color"] == "red"


def test_an_object_keeps_its_id_in_every_view(official):
    scene = open_dataset(official())[0]
    for i, (colour, _, _) in enumerate(SPHERES):
        channel = ["red", "green", "blue"].index(colour)
        inside = scene.images[scene.masks == i + 1].mean(axis=0)
        assert inside.argmax() == channel and inside[channel] > 150
    orders = np.array(draw_scene(0)[1]["depth_orders"])
    assert len({tuple(order) for order in orders}) > 1, "the scene must be one in which the depth order changes"


def test_projected_positions_fall_on_own_silhouettes(official):
    scene = open_dataset(official())[0]
    for view in range(VIEWS):
        centres = project(np.array([p for _, p, _ in SPHERES]), scene.T_world_camera[view], scene.K[view])
        for i, (x, y) in enumerate(centres):
            rows, columns = np.nonzero(scene.amodal_masks[view, i])
            assert np.hypot(x - columns.mean(), y - rows.mean()) < 0.5


def test_camera_looks_at_the_origin_with_z_up(official):
    scene = open_dataset(official())[0]
    for view in range(VIEWS):
        T_camera_world = np.linalg.inv(scene.T_world_camera[view])
        origin, above = T_camera_world[:3, 3], T_camera_world[:3, :3] @ [0, 0, 1] + T_camera_world[:3, 3]
        np.testing.assert_allclose(origin, [0, 0, 9.0], atol=1e-9)
        assert abs(above[0]) < 1e-9 and above[1] < 0, "the world's up is the image's up (-y)"
    assert scene.K[0, 0, 2] == scene.K[0, 1, 2] == (SIZE - 1) / 2


def test_viewpoints_are_those_of_mulmon(official):
    location = np.array(draw_scene(0)[1]["camera"]["location"]) * [1, 1, 0]
    expected = location / np.linalg.norm(location, axis=1, keepdims=True) - [1, 0, 0]
    np.testing.assert_allclose(open_dataset(official())[0].viewpoints("clevr"), expected, atol=1e-6)


def test_viewpoints_do_not_depend_on_which_view_comes_first(official):
    def turned(entry):
        return {**entry, "camera": {"location": entry["camera"]["location"][1:] + entry["camera"]["location"][:1]}}

    first = open_dataset(official(entry=turned))[0].viewpoints("clevr")[0]
    np.testing.assert_allclose(first, [-1, 1, 0], atol=1e-6)


def test_fully_hidden_object_is_kept_with_an_empty_mask(official):
    scene = open_dataset(official())[0]
    assert scene.num_objects == 3
    assert not (scene.masks[HIDDEN_VIEW] == HIDDEN_OBJECT + 1).any()
    assert scene.amodal_masks[HIDDEN_VIEW, HIDDEN_OBJECT].any()
    assert (scene.masks[2] == HIDDEN_OBJECT + 1).any()


def test_without_fov_there_is_no_K(official):
    scene = open_dataset(official(entry=lambda e: {k: v for k, v in e.items() if k != "fov"}))[0]
    assert scene.K is None and scene.T_world_camera is not None


def _with_alpha(arrays):
    return {**arrays, "images": np.concatenate([arrays["images"], np.full((VIEWS, SIZE, SIZE, 1), 255, np.uint8)], -1)}


def _with_float_masks(arrays):
    return {**arrays, "masks": arrays["masks"].astype(np.float32)}


@pytest.mark.parametrize(
    "variant",
    [
        {"arrays": _with_alpha},
        {"arrays": _with_float_masks},
        {"save": save_structured},
        {"save": save_structured, "arrays": lambda a: _with_alpha(_with_float_masks(a))},
        {"save": lambda path, arrays: np.savez(open(path, "wb"), **arrays)},
    ],
    ids=["alpha", "float32 masks", "structured array", "structured with alpha and float masks", "uncompressed"],
)
def test_variants_of_the_layout_read_alike(official, variant):
    plain = open_dataset(official(name="plain"))[0]
    varied = open_dataset(official(name="varied", **variant))[0]
    np.testing.assert_array_equal(varied.images, plain.images)
    np.testing.assert_array_equal(varied.masks, plain.masks)
    np.testing.assert_array_equal(varied.amodal_masks, plain.amodal_masks)
    assert varied.images.dtype == varied.masks.dtype == np.uint8


def test_structured_array_of_one_record_a_view(official):
    def save(path, arrays):
        fields = [(name, value.dtype, value.shape[1:]) for name, value in arrays.items()]
        record = np.zeros(VIEWS, fields)
        for name, value in arrays.items():
            record[name] = value
        np.save(path, record)

    np.testing.assert_array_equal(open_dataset(official(save=save))[0].images, draw_scene(0)[0]["images"])


def test_opened_through_a_link_and_by_a_relative_path(official, tmp_path, monkeypatch):
    root = official()
    (tmp_path / "link").symlink_to(root)
    assert open_dataset(tmp_path / "link")[0].num_views == VIEWS
    monkeypatch.chdir(root)
    assert open_dataset(".")[0].num_views == VIEWS


def _fails(root: Path, *words: str) -> None:
    with pytest.raises(DatasetError) as caught:
        open_dataset(root)[0]
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


class _Bomb:
    def __reduce__(self):
        return Path.touch, (Path("/tmp/lds_scenes_pickle_was_run"),)


@pytest.mark.parametrize("how", ["plain pickle", "object array", "object array in npz"])
def test_pickle_is_refused_and_never_run(official, how):
    def save(path, arrays):
        with open(path, "wb") as file:
            if how == "plain pickle":
                pickle.dump({**arrays, "bomb": _Bomb()}, file)
            elif how == "object array":
                np.save(file, np.array({**arrays, "bomb": _Bomb()}, dtype=object), allow_pickle=True)
            else:
                np.savez(file, images=arrays["images"], masks=np.array([_Bomb()], dtype=object))

    _fails(official(save=save), FIRST, "pickle", "np.savez")
    assert not Path("/tmp/lds_scenes_pickle_was_run").exists()


@pytest.mark.parametrize("keep", [0, 3, 40, 2000, -10])
def test_truncated_archive(official, keep):
    root = official()
    path = root / "data" / FIRST
    path.write_bytes(path.read_bytes()[:keep])
    _fails(root, FIRST)


def test_truncated_structured_array(official):
    root = official(save=save_structured)
    path = root / "data" / FIRST
    path.write_bytes(path.read_bytes()[:-100])
    _fails(root, FIRST, "truncated")


def test_flipped_bytes_in_the_archive_are_noticed(official):
    root = official()
    path = root / "data" / FIRST
    content = bytearray(path.read_bytes())
    content[400:420] = bytes(20)
    path.write_bytes(content)
    _fails(root, FIRST, "damaged")


def test_missing_scene_file(official):
    root = official()
    (root / "data" / FIRST).unlink()
    _fails(root, FIRST, "no such file")


def test_text_file_is_not_an_array(official):
    root = official()
    (root / "data" / FIRST).write_text("version https://git-lfs.github.com/spec/v1")
    _fails(root, FIRST, "neither")


def _npy_header(shape, descr="|u1") -> bytes:
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


@pytest.mark.parametrize("shape", [(10, 10**6, 10**6, 3), (4, 48, 48, 400), (-4, 48, 48, 3), (10**30, 1, 1, 3)])
def test_header_that_declares_more_than_there_is(official, shape):
    root = official()
    with zipfile.ZipFile(root / "data" / FIRST, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", _npy_header(shape) + bytes(1000))
        archive.writestr("masks.npy", _npy_header((4,)) + bytes(4))
    _fails(root, FIRST, "'images' declares")


def test_absurd_structured_shape(official):
    root = official()
    (root / "data" / FIRST).write_bytes(_npy_header((2**40,)) + bytes(100))
    _fails(root, FIRST, "absurd")


def test_zip_bomb_is_refused_before_it_unpacks(official):
    root = official()
    side = 15_000
    with zipfile.ZipFile(root / "data" / FIRST, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("images.npy", "w", force_zip64=True) as member:
            member.write(_npy_header((VIEWS, side, side, 3)))
            member.write(bytes(1000))
        archive.writestr("masks.npy", _npy_header((4,)) + bytes(4))
    _declare_size(root / "data" / FIRST, VIEWS * side * side * 3 + 128)
    _fails(root, FIRST, "GB")


def _declare_size(path: Path, size: int) -> None:
    """Write a size of over 1 GB into the central directory's entry of the first member."""
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = struct.pack("<I", size)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        (lambda a: {**a, "images": a["images"][:3]}, ("'images' must be uint8 [4,H,W,3 or more]",)),
        (lambda a: {**a, "images": a["images"][..., :2]}, ("'images' must be",)),
        (lambda a: {**a, "images": a["images"][0]}, ("'images' must be",)),
        (lambda a: {**a, "images": a["images"].astype(np.float32)}, ("'images' must be uint8", "float32")),
        (lambda a: {**a, "images": np.full_like(a["images"], np.nan, np.float32)}, ("'images' holds NaN",)),
        (lambda a: {**a, "masks": a["masks"][..., :3]}, ("'masks' must be", "3 objects")),
        (lambda a: {**a, "masks": a["masks"][:, :20]}, ("'masks' must be",)),
        (lambda a: {**a, "masks": np.full_like(a["masks"], np.nan, np.float32)}, ("'masks' holds NaN",)),
        (lambda a: {**a, "masks": a["masks"] + np.float32(0.5)}, ("whole numbers 0..3",)),
        (lambda a: {**a, "masks": a["masks"] + np.uint8(9)}, ("whole numbers 0..3",)),
        (lambda a: {"images": a["images"]}, ("no array 'masks'", "it holds images")),
    ],
)
def test_wrong_arrays_name_the_file(official, arrays, words):
    _fails(official(arrays=arrays), FIRST, *words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data_path": "../outside.npy"}, ("outside of the dataset's folder",)),
        ({"data_path": "clevr_mv/../../outside.npy"}, ("outside of the dataset's folder",)),
        ({"data_path": "other/data/x.npy"}, ("outside of the dataset's folder",)),
        ({"data_path": "/etc/passwd"}, ("outside of the dataset's folder",)),
        ({"data_path": "clevr_mv/\0"}, ("cannot be",)),
        ({"data_path": None}, ("'data_path'",)),
        ({"depth_orders": [[0, 1, 1]] * VIEWS}, ("'depth_orders'", "0..2")),
        ({"depth_orders": [[0, 1]] * VIEWS}, ("'depth_orders'",)),
        ({"depth_orders": [[0, 1, 2]] * 3}, ("'depth_orders'", "4 views")),
        ({"camera": {"location": [[1, 2, 3]] * 3}}, ("'camera.location' has 3 views",)),
        ({"camera": {"location": [[0, 0, 0]] * VIEWS}}, ("'camera.location'", "origin")),
        ({"camera": {"location": [[1, float("nan"), 3]] * VIEWS}}, ("'camera.location'",)),
        ({"camera": {}}, ("'camera.location'",)),
        ({"objects": "none"}, ("'objects'",)),
        ({"objects": [{"3d_coords": ["a", 0, 0]}] * 3}, ("3d_coords",)),
        ({"fov": 4.0}, ("'fov'",)),
    ],
)
def test_wrong_index_entries_name_the_index_and_the_scene(official, change, words):
    _fails(official(entry=lambda e: {**e, **change}), "clevr_mv_train.json, scene 0", *words)


def test_link_that_leaves_the_dataset_is_refused(official, tmp_path):
    root = official()
    path = root / "data" / FIRST
    path.rename(tmp_path / "elsewhere.npy")
    path.symlink_to(tmp_path / "elsewhere.npy")
    _fails(root, "clevr_mv_train.json", "outside of the dataset's folder", "links")


@pytest.mark.parametrize("content", ["{", "[]", '{"scenes": {}}', '{"scenes": [1]}', "\xff"])
def test_bad_index_is_named(official, content):
    root = official()
    (root / "clevr_mv_test.json").write_text(content, encoding="latin-1")
    with pytest.raises(DatasetError, match="clevr_mv_test.json"):
        open_dataset(root)


def test_renamed_folder_is_explained(official):
    root = official()
    _fails(root.rename(root.with_name("my_copy")), "clevr_mv/data/CLEVR_new_000000.npy", "old name back")
