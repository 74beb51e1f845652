"""Hand-eye calibration with the simulated rig, from the command to the file, and what an interruption leaves."""

from __future__ import annotations

import csv
import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from processes import PATIENCE, ROOT, heard, wait_for
from scipy.spatial.transform import Rotation
from typer.testing import CliRunner, Result

pytest.importorskip("lds_scenes.msg", reason="the ROS messages are not built: run the tests with ./run test")

import rospy
from lds_scenes.srv import SetFault
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool

from capture.calibration.calibration_file import load_calibration, save_calibration
from capture.calibration.poses import difference
from capture.calibration.session import Request
from capture.calibration.view_folder import HEADER
from capture.simulation.truth import T_TOOL_CAMERA
from lds_cli.calibrate import app
from lds_cli.calibrate_request import SIMULATED_GUESS

VIEWS = 18


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def quick_robot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    profile = yaml.safe_load((ROOT / "config/robots/simulated.yaml").read_text())
    profile |= {"urdf": str(ROOT / "config/robots/simulated.urdf"), "speed": {"velocity": 2.5, "acceleration": 9.0}}
    file = tmp_path_factory.mktemp("robot") / "quick.yaml"
    file.write_text(yaml.safe_dump(profile))
    return file


@pytest.fixture(scope="module")
def rig(ros: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    log = tmp_path_factory.mktemp("rig") / "log"
    with log.open("wb") as output:
        launch = subprocess.Popen(["roslaunch", "lds_scenes", "sim.launch"], stdout=output, stderr=subprocess.STDOUT)
    rospy.wait_for_service("/simulation/show_board", 60)
    yield
    launch.send_signal(signal.SIGINT)
    launch.wait(PATIENCE)


@pytest.fixture(scope="module")
def calibrated(rig: None, quick_robot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that `lds capture calibrate handeye --simulated` made."""
    out = tmp_path_factory.mktemp("calibrated") / "calibration.yaml"
    result = run("handeye", "--simulated", "--robot", quick_robot, "--views", VIEWS, "--out", out)
    assert result.exit_code == 0, f"{result.output}\n{result.exception}"
    return out


def test_arm_finds_the_board_and_the_camera_on_itself(calibrated: Path) -> None:
    hand_eye = load_calibration(calibrated).hand_eye
    angle, distance = difference(hand_eye.T_tool_camera, T_TOOL_CAMERA)
    assert angle < 0.1 and distance < 1.0
    assert hand_eye.verdict.grade == "good", hand_eye.verdict
    assert (hand_eye.robot, hand_eye.camera) == ("simulated", "simulated")
    assert hand_eye.views >= VIEWS - 2


def test_a_camera_whose_stamps_are_late_spoils_no_view(rig: None, quick_robot: Path, tmp_path: Path) -> None:
    fault = rospy.ServiceProxy("/simulation/set_fault", SetFault)
    # By less than a motion lasts: later ones show the arm at rest where it was before, which no picture betrays.
    assert fault("late_stamps", True, 0.3, 0).success
    try:
        out = tmp_path / "late.yaml"
        result = run("handeye", "--simulated", "--auto", "--robot", quick_robot, "--views", VIEWS, "--out", out)
    finally:
        fault("", False, 0, 0)
    assert result.exit_code == 0, f"{result.output}\n{result.exception}"
    hand_eye = load_calibration(out).hand_eye
    angle, distance = difference(hand_eye.T_tool_camera, T_TOOL_CAMERA)
    assert angle < 0.1 and distance < 1.0
    assert hand_eye.verdict.grade == "good", hand_eye.verdict


def test_truth_is_found_under_realistic_errors_of_the_arm(calibrated: Path, tmp_path: Path) -> None:
    """The rig's pictures, with poses off by 0.1 deg and 0.5 mm; root mean square over three draws of these errors."""
    (views,) = (calibrated.parent / "calibration_views").glob("handeye_*")
    errors = []
    for seed in range(3):
        noisy = tmp_path / str(seed)
        _copy_with_errors(views, noisy, np.random.default_rng(seed))
        out = tmp_path / f"{seed}.yaml"
        result = run("handeye", "--images", noisy, "--out", out)
        assert result.exit_code == 0, f"{result.output}\n{result.exception}"
        errors.append(difference(load_calibration(out).hand_eye.T_tool_camera, T_TOOL_CAMERA))
    assert (np.sqrt(np.square(errors).mean(0)) < [0.1, 1.0]).all(), errors


def _copy_with_errors(views: Path, to: Path, rng: np.random.Generator) -> None:
    """Errors of 0.1 deg in all, about any axis, and of 0.5 mm, in any direction."""
    to.mkdir()
    for file in views.glob("*"):
        (to / file.name).symlink_to(file)
    (to / "views.csv").unlink()
    with (views / "views.csv").open() as source, (to / "views.csv").open("w") as target:
        writer = csv.DictWriter(target, HEADER)
        writer.writeheader()
        for row in csv.DictReader(source):
            numbers = np.array([float(row[key]) for key in HEADER[1:]])
            numbers[:3] += rng.normal(0, 0.0005 / np.sqrt(3), 3)
            off = Rotation.from_rotvec(rng.normal(0, np.deg2rad(0.1) / np.sqrt(3), 3))
            numbers[3:] = (Rotation.from_quat(numbers[3:]) * off).as_quat()
            writer.writerow({"image": row["image"], **dict(zip(HEADER[1:], numbers, strict=True))})


def test_the_arm_sees_whether_its_camera_is_still_where_it_was(
    calibrated: Path, quick_robot: Path, tmp_path: Path
) -> None:
    calibration = load_calibration(calibrated)
    knocked = calibration.hand_eye.T_tool_camera.copy()
    knocked[:3, 3] += [0.006, 0, 0.006]
    save_calibration(tmp_path / "now.yaml", calibration)
    save_calibration(
        tmp_path / "before.yaml", replace(calibration, hand_eye=replace(calibration.hand_eye, T_tool_camera=knocked))
    )
    holds = run("verify", tmp_path / "now.yaml", "--simulated", "--robot", quick_robot)
    assert holds.exit_code == 0 and "holds" in holds.output, f"{holds.output}\n{holds.exception}"
    (views,) = (tmp_path / "now_views").glob("verify_*")
    moved = run("verify", tmp_path / "before.yaml", "--images", views)
    told = re.search(r"and ([\d.]+) mm from where it was", " ".join(moved.output.split()))
    assert float(told[1]) == pytest.approx(8.5, abs=0.5)
    assert "does not hold any more" in str(moved.exception)


def test_cubes_are_back_on_the_table_afterwards(calibrated: Path) -> None:
    from lds_scenes.msg import SceneObjects

    assert rospy.wait_for_message("/simulation/objects", SceneObjects, 10).objects


def test_interrupting_stops_the_arm_and_keeps_the_views(calibrated: Path, quick_robot: Path, tmp_path: Path) -> None:
    guess = tuple(float(word) for word in SIMULATED_GUESS.split())
    request = handeye_request(tmp_path / "views", quick_robot, auto=True, camera_on_tool=guess, simulated=True)
    node = subprocess.Popen(
        ["rosrun", "lds_scenes", "calibrate_node.py", request.to_json()], stderr=subprocess.PIPE, text=True
    )
    views = tmp_path / "views"
    wait_for("a second view", lambda: node.poll() is not None or len(list(views.glob("view_*.png"))) >= 2)
    assert node.poll() is None, node.communicate()[1]
    wait_for("the arm to move", lambda: _speed() > 0.2)
    node.send_signal(signal.SIGINT)
    _, said = node.communicate(timeout=PATIENCE)
    assert node.returncode == 1
    assert "stopped as asked; the arm stands still" in said
    assert _speed() < 0.02
    rows = (tmp_path / "views" / "views.csv").read_text().splitlines()[1:]
    assert len(rows) == len(list((tmp_path / "views").glob("view_*.png")))


def handeye_request(folder: Path, robot: Path, **more: object) -> Request:
    return Request(
        for_lens=False, folder=str(folder), robot=str(robot), camera="simulated", square=0.03, views=20, **more
    )


def _speed() -> float:
    """Of the fastest joint, rad/s."""
    return float(np.abs(rospy.wait_for_message("/joint_states", JointState, 10).velocity).max())


def test_views_by_hand_are_taken_when_the_arm_rests(rig: None, quick_robot: Path, tmp_path: Path) -> None:
    """Nothing moves here: one view is taken, and then more variety asked for."""
    rospy.ServiceProxy("/simulation/show_board", SetBool)(True)
    request = handeye_request(tmp_path / "views", quick_robot)
    node = subprocess.Popen(
        ["rosrun", "lds_scenes", "calibrate_node.py", request.to_json()], stdout=subprocess.PIPE, text=True
    )
    try:
        heard(node, "like one that was taken already")
    finally:
        node.send_signal(signal.SIGINT)
        node.wait(PATIENCE)
    assert [file.name for file in (tmp_path / "views").glob("view_*.png")] == ["view_000.png"]
