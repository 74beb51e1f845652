"""Whether a capture node's settings are what was asked for."""

from __future__ import annotations

from pathlib import Path

from lds_cli.running_rig import differences
from lds_models.presets import config_folder

USED = {"robot": "ur5e", "camera": "/rig/camera.yaml", "calibration": "/rig/lab.yaml"}


def test_what_was_not_asked_for_may_be_anything() -> None:
    assert differences({"robot": None, "camera": None, "calibration": None}, USED) == []


def test_a_name_and_its_file_are_the_same() -> None:
    assert differences({"robot": str(config_folder() / "robots" / "ur5e.yaml")}, USED) == []
    assert differences({"robot": "ur5e"}, {"robot": str(config_folder() / "robots" / "ur5e.yaml")}) == []


def test_all_that_differs_is_told_with_both() -> None:
    asked = {"robot": "franka_panda", "camera": "/rig/camera.yaml", "calibration": "/rig/new.yaml"}
    assert differences(asked, {**USED, "robot": ""}) == [
        "robot none, not franka_panda",
        "calibration /rig/lab.yaml, not /rig/new.yaml",
    ]


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "lab.yaml").touch()
    (tmp_path / "link.yaml").symlink_to(tmp_path / "lab.yaml")
    assert differences({"calibration": str(tmp_path / "lab.yaml")}, {"calibration": str(tmp_path / "link.yaml")}) == []


def test_a_path_of_the_node_that_is_not_whole_may_be_another_file(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "lab.yaml").touch()
    monkeypatch.chdir(tmp_path)
    assert len(differences({"calibration": str(tmp_path / "lab.yaml")}, {"calibration": "lab.yaml"})) == 1
