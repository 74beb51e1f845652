"""GQN-Jaco: what is in the file comes out, by split, and what is wrong is told with its file and array."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from many_scenes import write_gqn

from datasets.loading import open_dataset
from datasets.scene import DatasetError


@pytest.fixture
def jaco(tmp_path: Path) -> Path:
    root = tmp_path / "gqn_jaco"
    root.mkdir()
    write_gqn(root / "gqn_jaco_train.h5", 4)
    write_gqn(root / "gqn_jaco_test.h5", 2)
    return root


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_images_come_out_as_they_were(tmp_path: Path, dtype: type) -> None:
    images, viewpoints = write_gqn(tmp_path / "gqn_jaco_train.h5", 3, dtype=dtype)
    dataset = open_dataset(tmp_path, "train")
    assert (dataset.format, dataset.kind) == ("gqn_jaco", "gqn_jaco")
    np.testing.assert_array_equal(np.stack([scene.images for scene in dataset]), images)
    np.testing.assert_array_equal(np.stack([scene.viewpoints("gqn") for scene in dataset]), viewpoints)


def test_splits_are_the_ends_of_the_files_names(jaco: Path) -> None:
    assert open_dataset(jaco).splits == {"test": 2, "train": 4}
    assert [scene.name for scene in open_dataset(jaco, "test")] == ["test_000000", "test_000001"]
    both = open_dataset(jaco)
    assert len(both) == 6 and both[-1].name == "train_000003"


def test_one_file_is_a_dataset_too(jaco: Path) -> None:
    dataset = open_dataset(jaco / "gqn_jaco_test.h5")
    assert (dataset.name, dataset.splits) == ("gqn_jaco_test", {"test": 2})
    assert dataset.files() == [jaco.resolve() / "gqn_jaco_test.h5"]


def test_no_poses_are_made_up(jaco: Path) -> None:
    scene = open_dataset(jaco)[0]
    assert scene.T_world_camera is None and scene.masks is None and scene.viewpoint_kinds == ("gqn",)
    with pytest.raises(DatasetError, match="viewpoints need camera poses"):
        scene.viewpoints("pose")


@pytest.mark.parametrize(
    "packing",
    [
        {"compression": "gzip"}, {"compression": "gzip", "shuffle": True}, {"compression": "lzf"}, {"fletcher32": True},
        {"compression": "lzf", "shuffle": True, "fletcher32": True}, {"shuffle": True},
    ],
)  # fmt: skip
@pytest.mark.parametrize("chunks", [(1, 3, 8, 8, 3), (3, 2, 5, 8, 1)])
def test_packed_images_come_out_as_they_were(jaco: Path, packing: dict, chunks: tuple[int, ...]) -> None:
    with h5py.File(jaco / "gqn_jaco_train.h5", "r+") as file:
        images = file["images"][...]
        images[1] = np.arange(images.shape[3])[:, None]
        del file["images"]
        file.create_dataset("images", data=images, chunks=chunks, **packing)
    np.testing.assert_array_equal(np.stack([scene.images for scene in open_dataset(jaco, "train")]), images)


def test_it_travels_to_other_processes(jaco: Path) -> None:
    dataset = open_dataset(jaco, "train")
    dataset[0]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(dataset))[3].images, dataset[3].images)


def test_a_row_is_read_without_the_others(tmp_path: Path) -> None:
    """Were all of it read, the declared terabyte would be refused."""
    path = tmp_path / "gqn_jaco_train.h5"
    with h5py.File(path, "w") as file:
        shape = (10**8, 3, 8, 8, 3)
        file.create_dataset("images", shape, np.uint8, chunks=(1, 3, 8, 8, 3))[7] = 9
        file.create_dataset("viewpoints", (10**8, 3, 7), np.float32, chunks=(1, 3, 7))
    dataset = open_dataset(path)
    assert len(dataset) == 10**8 and (dataset[7].images == 9).all()


def _replace(name: str, value: np.ndarray) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[name]
        file[name] = value

    return change


def _absurd(file: h5py.File) -> None:
    del file["images"]
    file.create_dataset("images", (4, 3, 10**5, 10**5, 3), np.uint8, chunks=(1, 1, 64, 64, 3))


def _absurd_chunks(file: h5py.File) -> None:
    """One small scene, in a chunk that unpacks to 3 GB."""
    del file["images"]
    shape = (4, 3, 8, 8, 3)
    file.create_dataset("images", shape, np.uint8, chunks=(2**22, 3, 8, 8, 3), maxshape=(None, *shape[1:]))


def _crumbs(file: h5py.File) -> None:
    del file["images"]
    file.create_dataset("images", (4, 3, 256, 256, 3), np.uint8, chunks=(1, 1, 1, 2, 3))


def _text(file: h5py.File) -> None:
    del file["images"]
    file.create_dataset("images", (4, 3), h5py.string_dtype())


def _elsewhere(file: h5py.File) -> None:
    with h5py.File(Path(file.filename).with_name("other.bin"), "w") as other:
        file.copy("images", other)
    del file["images"]
    file["images"] = h5py.ExternalLink("other.bin", "images")


def _piece(content: bytes, **packing: object) -> Callable[[h5py.File], None]:
    """The first row's piece holds this, as it would lie in the file."""

    def change(file: h5py.File) -> None:
        del file["images"]
        stored = file.create_dataset(
            "images", data=np.ones((4, 3, 8, 8, 3), np.uint8), chunks=(1, 3, 8, 8, 3), **packing
        )
        stored.id.write_direct_chunk((0,) * 5, content)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_piece(zlib.compress(b"short"), compression="gzip"), "'images' does not unpack to the size that it declares"),
        (
            _piece(zlib.compress(bytes(10**7)), compression="gzip"),
            "'images' does not unpack to the size that it declares",
        ),
        (_piece(b"\1ab", compression="lzf"), "'images' does not unpack to the size that it declares"),
        (_piece(b"x", shuffle=True), "'images' does not unpack to the size that it declares"),
        (_piece(b"x", fletcher32=True), "'images' does not unpack to the size that it declares"),
        (_piece(b"x", scaleoffset=0), "'images' is packed by filter 6, .* pack it again: h5repack"),
        (_replace("images", np.full((4, 3, 8, 8, 3), 1.5)), r"'images' holds values from 1.5 to 1.5; float64"),
        (_replace("images", np.full((4, 3, 8, 8, 3), np.nan)), "'images' holds values from nan"),
        (_replace("images", np.full((4, 3, 8, 8, 3), 300)), r"int64 images must be in \[0, 255\]"),
        (_replace("images", np.zeros((4, 3, 8, 8), np.uint8)), r"'images' must be \[N,V,H,W,3\]"),
        (_replace("images", np.zeros((4, 3, 0, 8, 3), np.uint8)), "images are empty"),
        (_replace("viewpoints", np.zeros((4, 3, 5))), r"'viewpoints' must be \[4, 3, 7\]"),
        (_replace("viewpoints", np.zeros((3, 3, 7))), r"'viewpoints' must be \[4, 3, 7\]"),
        (_replace("viewpoints", np.full((4, 3, 7), np.inf)), "'viewpoints' holds NaN"),
        (_replace("viewpoints", np.full((4, 3, 7), 1e300)), "'viewpoints' holds NaN or infinite"),
        (_absurd, "'images' declares an absurd size"),
        (_absurd_chunks, "'images' declares an absurd size"),
        (_crumbs, "'images' is in more than 65536 pieces"),
        (_text, "'images' holds Python objects or text"),
        (_replace("viewpoints", np.zeros((4, 3), "V7")), "'viewpoints' must hold numbers"),
        (_elsewhere, "'images' is no array stored in this file"),
    ],
)
def test_wrong_content_is_named_with_file_and_array(
    jaco: Path, change: Callable[[h5py.File], None], words: str
) -> None:
    with h5py.File(jaco / "gqn_jaco_train.h5", "r+") as file:
        change(file)
    with pytest.raises(DatasetError, match=f"gqn_jaco_train.h5: .*{words}"):
        open_dataset(jaco, "train")[0]


def test_a_download_that_broke_off_is_told(jaco: Path) -> None:
    for name in ("gqn_jaco_train.h5", "gqn_jaco_test.h5"):
        whole = (jaco / name).read_bytes()
        (jaco / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(DatasetError, match=f"{name}: is truncated, damaged or no HDF5 file"):
            open_dataset(jaco)


def test_a_split_in_two_files_is_not_chosen_between(jaco: Path) -> None:
    write_gqn(jaco / "more_train.h5", 1)
    with pytest.raises(DatasetError, match=r"split 'train' is in several files \(gqn_jaco_train.h5, more_train.h5\)"):
        open_dataset(jaco)
