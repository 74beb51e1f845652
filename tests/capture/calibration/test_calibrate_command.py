"""`lds capture calibrate` on folders of pictures, without a robot."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from board_views import LENS, PINHOLE, T_TOOL_CAMERA, camera_poses, error, picture, transform, write_views
from typer.testing import CliRunner, Result

from capture.calibration.board import BOARD
from capture.calibration.calibration_file import load_calibration
from capture.calibration.view_folder import Setup
from lds_cli.calibrate import app


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> Path:
    poses = camera_poses(np.random.default_rng(0), 18)
    return write_views(tmp_path_factory.mktemp("good") / "views", poses, Setup("CAM1", BOARD, "ur5e", PINHOLE))


@pytest.fixture(scope="module")
def one_axis_views(tmp_path_factory: pytest.TempPathFactory) -> Path:
    start = camera_poses(np.random.default_rng(0), 1)[0]
    poses = [start @ transform([0, 0, angle], np.zeros(3)) for angle in np.linspace(-0.6, 0.6, 12)]
    return write_views(tmp_path_factory.mktemp("one_axis") / "views", poses, Setup("CAM1", BOARD, "ur5e", PINHOLE))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_handeye_from_pictures_finds_the_camera_and_says_how_well(tmp_path: Path, views: Path) -> None:
    out = tmp_path / "calibration.yaml"
    result = run("handeye", "--images", views, "--out", out)
    assert result.exit_code == 0, result.output
    calibration = load_calibration(out)
    angle, distance = error(calibration.hand_eye.T_tool_camera, T_TOOL_CAMERA)
    assert angle < 0.15 and distance < 1.5
    assert (calibration.hand_eye.robot, calibration.hand_eye.camera) == ("ur5e", "CAM1")
    for words in ("standard error", "solvers differ by", "good", "saved in"):
        assert words in result.output


def test_both_parts_come_into_one_file(tmp_path: Path, views: Path) -> None:
    out = tmp_path / "calibration.yaml"
    assert run("intrinsics", "--images", views, "--out", out).exit_code == 0
    assert run("handeye", "--images", views, "--out", out).exit_code == 0
    calibration = load_calibration(out)
    assert calibration.intrinsics.lens.K == pytest.approx(LENS.K, abs=3)
    assert calibration.hand_eye is not None


def test_rotations_about_one_axis_are_refused_and_nothing_is_saved(tmp_path: Path, one_axis_views: Path) -> None:
    out = tmp_path / "calibration.yaml"
    result = run("handeye", "--images", one_axis_views, "--out", out)
    assert type(result.exception).exit_code == 1
    assert "all rotations are about one axis" in str(result.exception)
    assert not out.exists()


def test_bad_calibration_does_not_replace_a_good_one(tmp_path: Path, views: Path) -> None:
    out = tmp_path / "calibration.yaml"
    assert run("handeye", "--images", views, "--out", out).exit_code == 0
    good = out.read_bytes()
    mixed = tmp_path / "mixed"
    shutil.copytree(views, mixed)
    header, *rows = (mixed / "views.csv").read_text().splitlines()
    names, numbers = zip(*(row.split(",", 1) for row in rows), strict=True)
    shifted = [",".join(pair) for pair in zip(names, [*numbers[1:], numbers[0]], strict=True)]
    (mixed / "views.csv").write_text("\n".join([header, *shifted]))
    result = run("handeye", "--images", mixed, "--out", out)
    assert type(result.exception).exit_code == 1
    assert "put aside" in str(result.exception) and "poses are not those of the pictures" in result.output
    assert out.read_bytes() == good
    assert load_calibration(tmp_path / "calibration.bad.yaml").hand_eye.verdict.grade == "bad"


def test_true_size_of_the_squares_can_be_given_afterwards(tmp_path: Path, views: Path) -> None:
    out = tmp_path / "calibration.yaml"
    result = run("handeye", "--images", views, "--square", "29", "--out", out)
    assert "the board seems to be 3." in result.output and "% larger" in result.output
    assert not out.exists()


def test_webcam_needs_no_ros_and_its_views_are_kept_when_it_is_lost(tmp_path: Path) -> None:
    """A sequence of pictures stands in for the camera, and ends: the board rests at two places."""
    import cv2

    rng = np.random.default_rng(0)
    (tmp_path / "frames").mkdir()
    for place, pose in enumerate(camera_poses(rng, 2, tilt=40)):
        image = cv2.cvtColor(picture(np.linalg.inv(pose), rng), cv2.COLOR_RGB2BGR)
        for i in range(25):
            cv2.imwrite(str(tmp_path / "frames" / f"{25 * place + i:04d}.png"), image)
    camera = tmp_path / "camera.yaml"
    camera.write_text(f"kind: webcam\ndevice: {tmp_path}/frames/%04d.png\nfps: 30\nwarm_up: 0.1\n")
    result = run("intrinsics", "--camera", camera, "--out", tmp_path / "calibration.yaml")
    assert type(result.exception).exit_code == 1
    assert "the views so far are kept: calibrate from them by --images" in str(result.exception)
    assert len(list(tmp_path.glob("calibration_views/*/view_*.png"))) == 2, result.output


def test_handeye_without_a_known_lens_says_to_calibrate_it_first(tmp_path: Path, views: Path) -> None:
    bare = tmp_path / "views"
    shutil.copytree(views, bare)
    (bare / "camera.yaml").unlink()
    result = run("handeye", "--images", bare, "--out", tmp_path / "calibration.yaml")
    assert "run `lds capture calibrate intrinsics`" in str(result.exception)


def test_no_robot_is_driven_that_was_not_named(tmp_path: Path) -> None:
    result = run("handeye", "--auto", "--out", tmp_path / "calibration.yaml")
    assert type(result.exception).exit_code == 2 and "--robot" in str(result.exception)


def test_auto_without_a_guess_of_the_camera_asks_for_one(tmp_path: Path) -> None:
    result = run("handeye", "--auto", "--robot", "ur5e", "--out", tmp_path / "calibration.yaml")
    assert type(result.exception).exit_code == 2
    assert "--camera-on-tool" in str(result.exception)


@pytest.mark.parametrize("guess", ["0 0 0", "a b c d e f g", "0 0 0 0 0 0 3", "nan 0 0 0 0 0 1", "0 0 0 0 0 0 nan"])
def test_guess_that_is_no_pose_is_refused(tmp_path: Path, guess: str) -> None:
    options = ("--auto", "--robot", "ur5e", "--camera-on-tool", guess)
    result = run("handeye", *options, "--out", tmp_path / "calibration.yaml")
    assert type(result.exception).exit_code == 2
    assert f"--camera-on-tool: '{guess}' is not" in str(result.exception)


def test_board_command_writes_the_page_and_says_what_to_measure(tmp_path: Path) -> None:
    result = run("board", tmp_path / "board.pdf", "--square", "25")
    assert result.exit_code == 0
    assert "must measure 175 mm" in result.output
    assert (tmp_path / "board.pdf").read_bytes().startswith(b"%PDF")
