from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import bags
import numpy as np
import pytest

import datasets
from datasets.recorded import write_scene
from lds_cli import main as lds


def test_check_passes_a_sound_dataset(run, official):
    code, out, _ = run("data", "check", official())
    assert code == 0 and "clevr_mv is sound" in out and "ids agree" in out


def test_check_fails_a_bad_dataset_and_names_the_file(run, official):
    root = official()
    (root / "data" / "CLEVR_new_000001.npy").write_bytes(b"")
    code, out, err = run("data", "check", root)
    assert code == 1 and "CLEVR_new_000001.npy: is empty" in out
    assert "not sound: 1 problem, 2 scenes could be read" in err


def test_check_says_whose_poses_are_unproven_and_succeeds(run, tmp_path, drawn_scene):
    unlabelled = dataclasses.replace(drawn_scene, masks=None, amodal_masks=None, objects=[], depth=None)
    write_scene(tmp_path / "set" / "scene_000000.h5", unlabelled)
    code, out, _ = run("data", "check", tmp_path / "set")
    assert code == 0 and "set is sound, but the poses of 1 of 1 scenes are unproven: scene_000000; to have them" in out


def test_info_tells_splits_and_digest(run, official):
    code, out, _ = run("data", "info", official(), "--split", "train")
    assert code == 0
    for words in ("train 2, test 1", "2 in train", "4 views of 48 x 48, 3 objects", "amodal_masks", "digest"):
        assert words in out


def test_view_writes_a_picture(run, official, tmp_path):
    code, _, _ = run("data", "view", official(), "--out", tmp_path / "pictures" / "sheet.png")
    assert code == 0 and (tmp_path / "pictures" / "sheet.png").read_bytes().startswith(b"\x89PNG")


def test_view_draws_the_camera_poses_beside_it(run, official, tmp_path):
    code, out, _ = run("data", "view", official(), "--out", tmp_path / "sheet.png")
    assert code == 0 and (tmp_path / "sheet_poses.png").read_bytes().startswith(b"\x89PNG") and "sheet_poses.png" in out


def test_info_tells_who_recorded_and_with_which_calibration(run, tmp_path, drawn_scene):
    facts = {"robot": "ur5e", "calibration_digest": "0123456789abcdef" * 4, "hand_eye_rms_px": 0.3117}
    write_scene(tmp_path / "set" / "scene_000000.h5", drawn_scene, facts)
    (tmp_path / "set" / "scene_000001.partial").mkdir()
    code, out, _ = run("data", "info", tmp_path / "set")
    assert code == 0
    for words in ("ur5e", "0123456789abcdef ", "hand eye rms px", "0.3117", "lds capture resume"):
        assert words in out


def test_browse_writes_pages(run, official, tmp_path):
    code, out, _ = run("data", "browse", official(), "--out", tmp_path / "pages")
    assert code == 0 and str(tmp_path / "pages" / "index.html") in out and (tmp_path / "pages" / "000002.html").exists()


def test_convert_tells_what_was_left_out(run, tmp_path):
    poses = [np.eye(4) + 0.1 * (time // 2) * np.eye(4)[0][:, None] * np.eye(4)[3] for time in range(6)]
    picture = np.random.default_rng(0).integers(0, 255, (6, bags.HEIGHT, bags.WIDTH, 3), np.uint8)
    records = bags.recording(lambda t: poses[int(t)], range(6), lambda i: picture[i], range(6), np.eye(4), np.eye(4))
    bag = bags.write_bag(tmp_path / "table.bag", records)
    code, out, _ = run("data", "convert", bag, tmp_path / "out", "--every", "2", "--tf-gap", "1.5")
    assert code == 0 and "/camera/image_raw" in out and "1, of 3 views" in out
    assert "3 images: less than 2 s after the last view" in out
    code, _, err = run("data", "convert", bag, tmp_path / "other", "--image", "/nope")
    assert code == 1 and f"error: {bag}: has no topic /nope (--image). Its topics: /camera/camera_info" in err


@pytest.mark.parametrize("command", ["check", "info", "view", "browse"])
def test_bad_data_gives_one_line_and_exit_code_1(run, tmp_path, command):
    code, _, err = run("data", command, tmp_path / "nowhere")
    assert code == 1
    assert err.strip().splitlines() == [f"error: {tmp_path / 'nowhere'}: no such folder"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("data", "synth", "castles", "out"),
        ("data", "synth", "table_cubes", "out", "--format", "clevr"),
        ("data", "check"),
        ("data", "nonsense"),
        ("data", "view", ".", "--scenes", "0"),
    ],
)
def test_bad_command_line_gives_exit_code_2(run, arguments):
    assert run(*arguments)[0] == 2


@pytest.mark.parametrize("index", ["dataset.json", "{name}_train.json"])
def test_synth_leaves_a_finished_dataset_alone(run, tmp_path, index):
    (tmp_path / index.format(name=tmp_path.name)).write_text("{}")
    code, _, err = run("data", "synth", "table_cubes", tmp_path)
    assert code == 1 and "already holds a finished dataset" in err


def test_synth_passes_its_options_on(run, tmp_path, monkeypatch):
    from datasets.synthesis import Synthesiser
    from datasets.synthesis.synthesiser import Settings

    calls = []
    monkeypatch.setattr(Synthesiser, "write", lambda self, *arguments: calls.append((self.kind, *arguments[:-1])))
    options = ("--scenes", 3, "--views", 4, "--seed", 5, "--workers", 1, "--size", 32, "--format", "h5")
    others = ("--renderer", "mitsuba", "--near-views")
    assert run("data", "synth", "clevr_mv", tmp_path / "out", *options, *others)[0] == 0
    assert calls == [("clevr_mv", tmp_path / "out", 3, Settings(4, 5, 32, "h5", "mitsuba", True), 1)]


def test_synth_refuses_a_renderer_that_the_kind_does_not_have(run, tmp_path):
    code, _, err = run("data", "synth", "table_cubes", tmp_path / "out", "--renderer", "mitsuba")
    assert code == 2 and "table_cubes cannot be rendered by 'mitsuba'; choose mujoco" in err


def test_foreign_datasets_package_is_explained(run, monkeypatch):
    monkeypatch.delattr(datasets, "IS_LDS_SCENES")
    code, _, err = run("data", "info", ".")
    assert code == 1 and "Hugging Face" in err and datasets.__file__ in err


def test_errors_that_are_bugs_keep_their_traceback(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["lds", "data", "info", "."])
    monkeypatch.setattr("datasets.loading.open_dataset", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        lds.main()


def test_help_imports_nothing_heavy():
    heavy = "{'torch', 'numpy', 'h5py', 'scipy', 'matplotlib', 'cv2', 'PIL', 'mujoco', 'openvino'}"
    code = f"import sys, lds_cli.main; sys.exit(', '.join({heavy} & set(sys.modules)) or 0)"
    root = Path(lds.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
