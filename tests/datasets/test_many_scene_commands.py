"""`lds data ...` on HDF5 files of many scenes, given as a folder or as a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from many_scenes import write_channels_first, write_emorl, write_gqn

from datasets.loading import open_dataset
from datasets.packing import pack, read_packed
from datasets.scene import DatasetError


def clevr6(folder: Path) -> Path:
    write_emorl(folder / "clevr6.h5", {"train": 3, "test": 2})
    return folder / "clevr6.h5"


def jaco(folder: Path) -> Path:
    write_gqn(folder / "gqn_jaco_train.h5", 3)
    write_gqn(folder / "gqn_jaco_test.h5", 2)
    return folder


@pytest.fixture(params=[clevr6, jaco])
def dataset(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return request.param(folder)


def test_check_and_info(run: Callable, dataset: Path) -> None:
    code, out, _ = run("data", "check", dataset)
    assert code == 0 and "is sound: all 5 scenes can be read" in out
    code, out, _ = run("data", "info", dataset, "--split", "test")
    assert code == 0 and "2 in test" in out and "16 x 12" in out


def test_view_and_browse(run: Callable, dataset: Path, tmp_path: Path) -> None:
    assert run("data", "view", dataset, "--out", tmp_path / "sheet.png")[0] == 0
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")
    assert run("data", "browse", dataset, "--out", tmp_path / "pages")[0] == 0
    assert len(list((tmp_path / "pages").glob("0*.html"))) == 5


def test_convert_and_check_what_came_out(run: Callable, dataset: Path, tmp_path: Path) -> None:
    code, out, _ = run("data", "convert", dataset, tmp_path / "out")
    assert code == 0 and "train 3" in out and "test 2" in out
    assert run("data", "check", tmp_path / "out")[0] == 0


def test_options_of_bags_are_not_passed_over(run: Callable, dataset: Path, tmp_path: Path) -> None:
    code, _, err = run("data", "convert", dataset, tmp_path / "out", "--every", "2")
    assert code == 2 and "the options are for bags" in err and not (tmp_path / "out").exists()


def test_a_damaged_file_is_told_by_every_command(run: Callable, dataset: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.h5"
    damaged.write_bytes(next(dataset.parent.rglob("*.h5")).read_bytes()[:3000])
    for command in (["check"], ["info"], ["convert", tmp_path / "out"]):
        code, _, err = run("data", command[0], damaged, *command[1:])
        assert code == 1 and "damaged.h5: is truncated, damaged or no HDF5 file" in err


def test_packing_by_command_and_while_training_give_the_same(
    run: Callable, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LDS_CACHE", str(tmp_path / "cache"))
    assert run("data", "pack", dataset, tmp_path / "packed.h5", "--size", "8")[0] == 0
    told, cached = read_packed(tmp_path / "packed.h5"), pack(dataset, "train", 8)
    np.testing.assert_array_equal(told.images, cached.images)
    assert told.digest == cached.digest and told.viewpoints.keys() == cached.viewpoints.keys()
    with pytest.raises(DatasetError, match="was packed from the split 'train' at 8 pixels"):
        pack(tmp_path / "packed.h5", "train", 16)


def test_the_digest_is_the_same_on_every_way_there(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = open_dataset(dataset).digest()
    monkeypatch.chdir(tmp_path)
    assert open_dataset(dataset.relative_to(tmp_path)).digest() == digest
    (tmp_path / "links").mkdir()
    for file in (tmp_path / "source").glob("*.h5"):
        (tmp_path / "links" / file.name).symlink_to(file)
    assert open_dataset("links").digest() == digest


def test_packed_viewpoints_are_those_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LDS_CACHE", str(tmp_path / "cache"))
    _, viewpoints = write_gqn(tmp_path / "gqn_jaco_train.h5", 3)
    packed = pack(tmp_path / "gqn_jaco_train.h5", "train", 8)
    assert packed.viewpoints.keys() == {"gqn"} and packed.masks is None
    np.testing.assert_array_equal(packed.viewpoints["gqn"], viewpoints.reshape(-1, 7))


def test_packed_masks_are_cropped_like_the_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LDS_CACHE", str(tmp_path / "cache"))
    images, numbers = write_channels_first(tmp_path / "clevr_with_masks.hdf5", 3)
    packed = pack(tmp_path, "all", 12)
    np.testing.assert_array_equal(packed.images, images[:, :, 2:14])
    np.testing.assert_array_equal(packed.masks, numbers[:, :, 2:14])
