"""A scene that is damaged, or shows what it should not, is left out of a dataset by one command."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from datasets.recorded import write_dataset_index, write_scene

TINY = """
model: {name: monet, image_size: 16, num_slots: 3, latent_dim: 4, attention_channels: 4, decoder_channels: 4}
data: {path: PATH, validation_split: null}
batch_size: 2
steps: 1
precision: 32-true
"""


@pytest.fixture
def root(tmp_path, drawn_scene):
    files = [f"scene_{number:06d}.h5" for number in range(3)]
    for number, file in enumerate(files):
        images = np.roll(drawn_scene.images, number, axis=2)
        scene = dataclasses.replace(drawn_scene, images=images, masks=None, amodal_masks=None)
        write_scene(tmp_path / "set" / file, scene, {"robot": "simulated"})
    write_dataset_index(tmp_path / "set", "set", "recorded", dict.fromkeys(files, 4), {"train": files})
    return tmp_path / "set"


def test_a_truncated_scene_is_found_dropped_and_the_rest_is_trained_on(run, root, tmp_path):
    file = root / "scene_000001.h5"
    file.write_bytes(file.read_bytes()[:5000])
    experiment = tmp_path / "tiny.yaml"
    experiment.write_text(TINY.replace("PATH", str(root)))
    remedy = f"to go on without it: lds data drop {root} scene_000001"

    code, out, _ = run("data", "check", root)
    assert code == 1 and remedy in out
    code, _, err = run("train", experiment, "--out", tmp_path / "run")
    assert code == 1 and remedy in err

    code, out, _ = run("data", "drop", root, "scene_000001", "--reason", "power failed")
    assert code == 0 and f"kept in {root / 'dropped'}. To bring back: lds data restore {root} scene_000001" in out
    assert run("data", "check", root)[0] == 0
    assert run("train", experiment, "--out", tmp_path / "run")[0] == 0


def test_info_tells_what_was_dropped_and_why_until_it_is_restored(run, root):
    assert run("data", "drop", root, "scene_000000", "scene_000002", "--reason", "my hand is in it")[0] == 0
    out = run("data", "info", root)[1]
    assert "dropped scene_000000 my hand is in it" in out and "dropped scene_000002 my hand is in it" in out
    assert run("data", "restore", root, "scene_000000", "scene_000002")[0] == 0
    out = run("data", "info", root)[1]
    assert "train 3" in out and "dropped" not in out


def test_a_scene_that_is_not_there_is_told_in_one_line(run, root):
    code, _, err = run("data", "drop", root, "scene_7")
    assert code == 1 and err == (
        f"error: {root}: has no scene 'scene_7'; it has scene_000000, scene_000001, scene_000002\n"
    )


def test_a_scene_that_dataset_json_does_not_list_is_told_with_the_command_that_lists_it(run, root):
    (root / "scene_000003.h5").write_bytes((root / "scene_000000.h5").read_bytes())
    assert f"to list them: lds data restore {root} NAME ..." in run("data", "check", root)[1]
    assert run("data", "restore", root, "scene_000003")[0] == 0
    assert "does not list" not in run("data", "check", root)[1]
