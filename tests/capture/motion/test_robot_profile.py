from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from capture.motion.robot_profile import KeepOut, load_robot_profile
from capture.settings_file import SettingsError
from capture.simulation.truth import T_WORLD_BASE
from lds_models.presets import config_folder

ROBOTS = sorted(path.stem for path in (config_folder() / "robots").glob("*.yaml"))
PROFILE = """
name: mine
tried: nothing
base_frame: base
tool_frame: tool
trajectory_action: /follow
T_world_base: {position: [1, 2, 3], quaternion: [0, 0, 0.70710678, 0.70710678]}
"""


def write(folder: Path, content: str) -> Path:
    file = folder / "mine.yaml"
    file.write_text(content)
    return file


@pytest.mark.parametrize("name", ROBOTS)
def test_shipped_profiles_are_valid_and_say_what_was_tried(name: str) -> None:
    profile = load_robot_profile(name)
    assert profile.name == name
    assert profile.tried
    assert profile.max_velocity <= 1.0
    assert name == "simulated" or "Not tried on hardware" in profile.tried


def test_simulated_profile_says_where_the_simulated_arm_stands() -> None:
    assert load_robot_profile("simulated").T_world_base == pytest.approx(T_WORLD_BASE)


def test_what_is_not_said_has_safe_defaults(tmp_path: Path) -> None:
    profile = load_robot_profile(write(tmp_path, PROFILE))
    assert profile.T_world_base == pytest.approx(
        np.array([[0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]]), abs=1e-6
    )
    assert (profile.max_velocity, profile.max_acceleration) == (1.0, 2.0)
    assert (profile.urdf, profile.home, profile.keep_out, profile.joint_states) == (None, None, None, "/joint_states")


def test_urdf_lies_beside_the_profile(tmp_path: Path) -> None:
    (tmp_path / "arm.urdf").write_text("<robot/>")
    assert load_robot_profile(write(tmp_path, PROFILE + "urdf: arm.urdf\n")).urdf == tmp_path / "arm.urdf"


def test_zone_over_the_objects_is_read(tmp_path: Path) -> None:
    profile = load_robot_profile(write(tmp_path, PROFILE + "keep_out: {radius: 0.2, height: 0.1}\n"))
    assert profile.keep_out == KeepOut(0.2, 0.1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (PROFILE.replace("tool_frame: tool\n", ""), "tool_frame is missing"),
        (PROFILE.replace("position: [1, 2, 3], ", ""), "T_world_base.position is missing"),
        (PROFILE.replace("[1, 2, 3]", "[1, 2]"), "T_world_base.position must be three numbers"),
        (PROFILE.replace("0.70710678]", "1]"), "T_world_base.quaternion must be a unit quaternion"),
        (PROFILE + "colour: red\n", "colour: Key 'colour' not in"),
        (PROFILE + "speed: {velocity: fast}\n", "speed.velocity: Value 'fast'"),
        (PROFILE + "speed: {velocity: 9}\n", "speed.velocity must be 0.01 to 3 rad/s, not 9"),
        (PROFILE + "speed: {acceleration: 0}\n", "speed.acceleration must be 0.05 to 10 rad/s"),
        (PROFILE + "table: {clearance: -1}\n", "table.clearance must be 0 to 0.5 m, not -1"),
        (PROFILE + "keep_out: {radius: 0.2}\n", "keep_out.height is missing"),
        (PROFILE + "camera_body: {size: [1, 0, 1], position: [0, 0, 0]}\n", "camera_body.size must be lengths above 0"),
        (PROFILE + "allowed_pairs: [[a, b, c]]\n", "allowed_pairs: each is two names"),
        (PROFILE + "urdf: arm.urdf\n", "urdf: there is no file"),
        (PROFILE.replace("[1, 2, 3]", "[[1], 2, 3]"), "T_world_base.position"),
        (PROFILE + "speed: " + "[" * 3000 + "]" * 3000, "is no valid YAML .it is nested too deeply"),
        (PROFILE + "home: &h {a: *h}", "is no valid YAML .it holds itself"),
        (PROFILE + "joint_states: ${nothing}", ".*nothing"),
        (PROFILE + "joint_states: !!timestamp 1", "is no valid YAML"),
        (PROFILE + "tried: twice\n", ".*duplicate key tried"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_key(content: str, message: str, tmp_path: Path) -> None:
    file = write(tmp_path, content)
    with pytest.raises(SettingsError, match=f"{file}: {message}"):
        load_robot_profile(file)


def test_unknown_robot_lists_the_known() -> None:
    with pytest.raises(
        SettingsError, match="no file 'hal', and none of that name among config/robots: franka_panda, kinova"
    ):
        load_robot_profile("hal")
