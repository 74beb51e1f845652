from __future__ import annotations

import pickle
import shutil

import pytest

from datasets.loading import open_dataset
from datasets.recorded import write_dataset_index, write_scene
from datasets.scene import DatasetError


def test_missing_folder(tmp_path):
    with pytest.raises(DatasetError, match="nowhere: no such folder"):
        open_dataset(tmp_path / "nowhere")


def test_a_file_is_no_dataset(official):
    with pytest.raises(DatasetError, match="give the dataset's folder"):
        open_dataset(official() / "clevr_mv_train.json")


def test_unknown_folder_tells_what_was_looked_for(tmp_path):
    with pytest.raises(DatasetError) as caught:
        open_dataset(tmp_path)
    for looked_for in ("dataset.json", "scene_*.h5", "<name>_train.json"):
        assert looked_for in str(caught.value)


def test_a_dataset_nearby_is_suggested(official):
    root = official()
    for wrong in (root.parent, root / "data"):
        with pytest.raises(DatasetError, match=f"Did you mean .*{root.name}"):
            open_dataset(wrong)


def test_empty_split_is_an_error(tmp_path):
    write_dataset_index(tmp_path, "none", "drawn", {}, {"test": []})
    for split in ("test", None):
        with pytest.raises(DatasetError, match="holds no scenes"):
            open_dataset(tmp_path, split)


def test_where_the_scenes_are_is_told_of_a_recording_that_is_too_short_for_a_test_split(tmp_path, drawn_scene):
    files = [f"scene_{number:06d}.h5" for number in range(3)]
    for file in files:
        write_scene(tmp_path / file, drawn_scene)
    views = dict.fromkeys(files, drawn_scene.num_views)
    write_dataset_index(tmp_path, "short", "recorded", views, {"train": files, "test": []})
    with pytest.raises(DatasetError, match="its split 'test' holds no scenes; there are 3 in 'train'$"):
        open_dataset(tmp_path, "test")


def test_digest_follows_content_not_place(official, tmp_path):
    root = official()
    moved = shutil.copytree(root, tmp_path / "else" / root.name)
    digest = open_dataset(root).digest()
    assert open_dataset(moved).digest() == digest
    assert open_dataset(root, "test").digest() != digest
    index = moved / "clevr_mv_train.json"
    index.write_text(index.read_text().replace("rubber", "metal"))
    assert open_dataset(moved).digest() != digest
    assert open_dataset(moved, "test").digest() == open_dataset(root, "test").digest()


def test_digest_names_a_missing_file(official):
    root = official()
    (root / "data" / "CLEVR_new_000001.npy").unlink()
    with pytest.raises(DatasetError, match="CLEVR_new_000001.npy"):
        open_dataset(root).digest()


def test_scenes_can_be_taken_as_of_any_sequence(official):
    dataset = open_dataset(official())
    names = [scene.name for scene in dataset]
    assert [scene.name for scene in dataset[1:]] == names[1:] and dataset[-1].name == names[-1]
    assert [scene.name for scene in dataset[::-2]] == names[::-2]


def test_a_dataset_travels_to_worker_processes(official):
    dataset = open_dataset(official(), "train")
    assert pickle.loads(pickle.dumps(dataset))[1].name == "CLEVR_new_000001"
