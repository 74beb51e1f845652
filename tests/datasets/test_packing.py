"""Packing: what is kept, how images are cropped and resized, that it happens once, and what it says of bad files."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from datasets.loading import open_dataset
from datasets.packing import cache_folder, pack, read_packed, write_packed
from datasets.scene import DatasetError, Scene
from datasets.square import square


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LDS_CACHE", str(tmp_path / "cache"))


def plain_scenes(views: tuple[int, ...]) -> list[Scene]:
    rng = np.random.default_rng(0)
    return [
        Scene(f"scene_{i}", rng.integers(0, 256, (v, 8, 8, 3)).astype(np.uint8)) for i, v in enumerate(views)
    ]  # fmt: skip


def test_official_dataset_comes_back_image_for_image(official: Callable[..., Path]) -> None:
    root = official()
    scenes = list(open_dataset(root, "train"))
    packed = pack(root, "train", scenes[0].image_size[0])
    np.testing.assert_array_equal(packed.images, np.concatenate([s.images for s in scenes]))
    np.testing.assert_array_equal(packed.masks, np.concatenate([s.masks for s in scenes]))
    for kind in ("clevr", "pose"):
        np.testing.assert_array_equal(packed.viewpoints[kind], np.concatenate([s.viewpoints(kind) for s in scenes]))
    assert packed.most_objects == max(len(np.unique(m)) - 1 for s in scenes for m in s.masks)


def test_packing_happens_once(official: Callable[..., Path]) -> None:
    root = official()
    done: list[int] = []
    first = pack(root, "test", 16, progress=done.append)
    again = pack(root, "test", 16, progress=done.append)
    assert sum(done) == 1 and first.digest == again.digest
    np.testing.assert_array_equal(first.images, again.images)


def test_a_copy_is_not_packed_again_and_tells_its_own_place(official: Callable[..., Path], tmp_path: Path) -> None:
    root = official()
    first = pack(root, "test", 16)
    shutil.copytree(root, tmp_path / "elsewhere" / root.name)
    copy = pack(tmp_path / "elsewhere" / root.name, "test", 16)
    assert (first.source, copy.source) == (str(root), str(tmp_path / "elsewhere" / root.name))
    assert len(list(cache_folder().glob("*.h5"))) == 1


def test_changed_dataset_is_packed_anew(official: Callable[..., Path]) -> None:
    root = official()
    pack(root, "test", 16)
    (file,) = (root / "data").glob("*000002.npy")
    file.write_bytes((root / "data" / "CLEVR_new_000001.npy").read_bytes())
    pack(root, "test", 16)
    assert len(list(cache_folder().glob("*.h5"))) == 2


def test_scenes_may_have_different_numbers_of_views(tmp_path: Path) -> None:
    write_packed(tmp_path / "p.h5", plain_scenes((3, 1, 2)), "here", "train", "d", 8)
    packed = read_packed(tmp_path / "p.h5")
    assert packed.first_view.tolist() == [0, 3, 4, 6]
    assert packed.masks is None and packed.viewpoints == {} and packed.most_objects is None


def test_masks_can_be_left_on_disk(official: Callable[..., Path]) -> None:
    assert pack(official(), "train", 16, with_masks=False).masks is None


def test_wide_image_is_cropped_to_its_middle_and_averaged() -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, 10:50] = np.random.default_rng(0).integers(0, 256, (40, 40, 3))
    expected = image[:, 10:50].reshape(10, 4, 10, 4, 3).mean((1, 3))
    np.testing.assert_allclose(square(image, 10), expected, atol=0.51)


def test_resized_mask_holds_only_ids_that_were_there() -> None:
    mask = np.zeros((30, 30), np.uint8)
    mask[10:20, 10:20], mask[20:28, 5:28] = 7, 200
    assert set(np.unique(square(mask, 13))) == {0, 7, 200}
    np.testing.assert_array_equal(square(mask, 13), cv2.resize(mask, (13, 13), interpolation=cv2.INTER_NEAREST))


def test_a_disk_that_is_full_is_told_in_a_line(tmp_path: Path) -> None:
    """A limit of the size of files stands in for it. HDF5, which writes when it closes, would crash the process."""
    code = f"""
import numpy as np, resource, signal
from pathlib import Path
from datasets.packing import write_packed
from datasets.scene import Scene
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
scene = Scene("scene", np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype(np.uint8))
write_packed(Path({str(tmp_path / "p.h5")!r}), [scene], "here", "train", "d", 32)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (
        done.returncode == 1 and f"DatasetError: {tmp_path / 'p.h5'}: cannot be written (File too large)" in done.stderr
    )
    assert not list(tmp_path.iterdir())


def test_packed_file_can_be_given_in_place_of_a_dataset(tmp_path: Path) -> None:
    file = tmp_path / "p.h5"
    write_packed(file, plain_scenes((2, 2)), "here", "train", "d", 8)
    assert len(pack(file, "train", 8).images) == 4
    with pytest.raises(DatasetError, match="packed from the split 'train' at 8 pixels, and 'train' at 16 is wanted"):
        pack(file, "train", 16)
    with pytest.raises(DatasetError, match="'test' at 8 is wanted"):
        pack(file, "test", 8)


@pytest.mark.parametrize("keep", [0, 100, 2000])
def test_truncated_packed_file_is_named(tmp_path: Path, keep: int) -> None:
    file = tmp_path / "p.h5"
    write_packed(file, plain_scenes((2, 2)), "here", "train", "d", 8)
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DatasetError, match=f"{file}: is truncated, damaged or no HDF5 file"):
        read_packed(file)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("images", np.zeros((4, 8, 9, 3), np.uint8)),
        ("images", np.zeros((4, 8, 8, 3))),
        ("first_view", np.array([0, 4, 2, 4])),
        ("first_view", np.array([0, 2, 5])),
        ("first_view", np.array([0, 4])),
        ("masks", np.zeros((3, 8, 8), np.uint8)),
        ("viewpoints/clevr", np.zeros((3, 3), np.float32)),
    ],
)
def test_packed_file_whose_parts_do_not_fit_is_named(tmp_path: Path, name: str, value: np.ndarray) -> None:
    import h5py

    path = tmp_path / "p.h5"
    write_packed(path, plain_scenes((2, 2)), "here", "train", "d", 8)
    with h5py.File(path, "r+") as file:
        if name in file:
            del file[name]
        file[name] = value
    with pytest.raises(DatasetError, match=f"{path}: .*delete the file and pack again"):
        read_packed(path)


def test_packed_file_that_declares_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    import h5py

    path = tmp_path / "p.h5"
    write_packed(path, plain_scenes((2, 2)), "here", "train", "d", 8)
    with h5py.File(path, "r+") as file:
        del file["images"]
        file.create_dataset("images", (10**9, 8, 8, 3), np.uint8, chunks=(1, 8, 8, 3))
    with pytest.raises(DatasetError, match="'images' declares an absurd size"):
        read_packed(path)


def test_other_hdf5_file_is_refused(tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["images"] = np.zeros(3)
    with pytest.raises(DatasetError, match="is no packed dataset"):
        read_packed(tmp_path / "x.h5")
