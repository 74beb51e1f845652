"""`lds capture record` beside a capture node that runs already: with what that was started, or not at all."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from processes import PATIENCE, ROOT

pytest.importorskip("lds_scenes.msg", reason="the ROS messages are not built: run the tests with ./run test")

import rospy
from recording_rig import Rig

from datasets.loading import open_dataset


def record(dataset: Path, *options: object) -> tuple[int, str, str]:
    """Under the roscore of the tests."""
    command = [sys.executable, "-m", "lds_cli.main", "capture", "record", dataset, "--views", 2, "--auto", *options]
    done = subprocess.run(
        list(map(str, command)), cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL
    )
    return done.returncode, done.stdout, done.stderr


def test_what_the_node_has_already_may_be_given_and_is_named(rig: Rig, tmp_path: Path) -> None:
    camera = ROOT / "config" / "cameras" / "simulated.yaml"
    given = ("--robot", rig.robot, "--camera", camera, "--calibration", rig.calibration)
    code, said, errors = record(tmp_path / "set", *given)
    assert code == 0, said + errors
    assert f"with its own robot {rig.robot}, camera simulated, calibration {rig.calibration}" in said
    assert len(open_dataset(tmp_path / "set")) == 1


def test_where_nothing_is_given_the_node_keeps_its_own(rig: Rig, tmp_path: Path) -> None:
    code, said, errors = record(tmp_path / "set")
    assert code == 0 and f"calibration {rig.calibration}" in said, said + errors


@pytest.mark.parametrize("option", ["--calibration", "--robot", "--camera"])
def test_another_file_than_the_node_has_is_refused_and_both_are_named(rig: Rig, tmp_path: Path, option: str) -> None:
    name = option.removeprefix("--")
    used = {"calibration": rig.calibration, "robot": rig.robot, "camera": "simulated"}[name]
    other = tmp_path / "other.yaml"
    shutil.copy(used if name != "camera" else ROOT / "config/cameras/simulated.yaml", other)
    code, _, errors = record(tmp_path / "set", option, other)
    assert code == 2 and len(errors.splitlines()) == 1, errors
    assert f"/capture runs already at {rig.master}, with {name} {used}, not {other}: stop it" in errors
    assert not (tmp_path / "set").exists()


def test_a_real_rig_is_not_driven_by_who_asks_for_a_simulated_one(rig: Rig, tmp_path: Path) -> None:
    code, _, errors = record(tmp_path / "set", "--simulated")
    assert code == 2 and f"with robot {rig.robot}, not simulated: stop it" in errors


def test_a_node_without_a_calibration_is_no_node_with_the_one_that_is_given(rig: Rig, tmp_path: Path) -> None:
    before = rospy.get_param("/capture/calibration")
    rospy.delete_param("/capture/calibration")
    try:
        code, _, errors = record(tmp_path / "set", "--calibration", rig.calibration)
    finally:
        rospy.set_param("/capture/calibration", before)
    assert code == 2 and f"with calibration none, not {rig.calibration}" in errors
