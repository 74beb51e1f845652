"""`lds capture calibrate verify` on folders of pictures: of a camera that stayed where it was, or was knocked."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from board_views import PINHOLE, T_TOOL_CAMERA, camera_poses, transform, write_views
from typer.testing import CliRunner, Result

from capture.calibration.board import BOARD
from capture.calibration.calibration import Calibration, problems
from capture.calibration.calibration_file import load_calibration, save_calibration
from capture.calibration.view_folder import Setup
from lds_cli.calibrate import app

SETUP = Setup("CAM1", BOARD, "ur5e", PINHOLE)
OLD = datetime.now(UTC).replace(microsecond=0) - timedelta(days=40)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def new_views(path: Path, T_tool_camera: np.ndarray = T_TOOL_CAMERA, setup: Setup = SETUP) -> Path:
    return write_views(path, camera_poses(np.random.default_rng(5), 10), setup, T_tool_camera, seed=6)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Calibration:
    folder = tmp_path_factory.mktemp("made")
    views = write_views(folder / "views", camera_poses(np.random.default_rng(0), 18), SETUP)
    assert run("handeye", "--images", views, "--out", folder / "calibration.yaml").exit_code == 0
    calibration = load_calibration(folder / "calibration.yaml")
    return replace(calibration, hand_eye=replace(calibration.hand_eye, made=OLD))


@pytest.fixture
def file(made: Calibration, tmp_path: Path) -> Path:
    """A calibration that was made 40 days ago."""
    save_calibration(tmp_path / "lab.yaml", made)
    return tmp_path / "lab.yaml"


@pytest.fixture(scope="module")
def same(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Views of a camera that stayed where it was."""
    return new_views(tmp_path_factory.mktemp("same") / "views")


def why_not(file: Path) -> list[str]:
    return problems(load_calibration(file), "ur5e", "CAM1", (640, 480), time.time(), camera_tells_intrinsics=True)


def test_a_calibration_that_holds_is_good_for_another_month_and_stays_as_it_is(file: Path, same: Path) -> None:
    before = load_calibration(file).hand_eye
    assert "40 days old" in " ".join(why_not(file)) and "calibrate verify" in " ".join(why_not(file))
    result = run("verify", file, "--images", same)
    assert result.exit_code == 0, f"{result.output}{result.exception}"
    assert "good" in result.output and "holds; it is good for 30 more days" in result.output
    after = load_calibration(file).hand_eye
    assert why_not(file) == []
    assert after.made == OLD and np.array_equal(after.T_tool_camera, before.T_tool_camera)


@pytest.mark.parametrize(
    ("degrees", "mm", "grade"), [(0.0, 9.0, "bad"), (1.5, 0.0, "bad"), (0.0, 3.5, "usable")], ids=str
)
def test_a_camera_that_moved_is_told_by_how_much(
    file: Path, tmp_path: Path, degrees: float, mm: float, grade: str
) -> None:
    before = file.read_bytes()
    turn, way = np.deg2rad(degrees) * np.array([0.6, 0, 0.8]), mm / 1000 * np.array([0, 0.6, 0.8])
    result = run("verify", file, "--images", new_views(tmp_path / "views", T_TOOL_CAMERA @ transform(turn, way)))
    moved = re.search(r"camera moved by +([\d.]+) deg, ([\d.]+) mm", result.output)
    assert float(moved[1]) == pytest.approx(degrees, abs=0.3)
    assert float(moved[2]) == pytest.approx(mm, abs=1.8)
    assert grade in result.output and "its mount moved" in " ".join(result.output.split())
    assert (type(result.exception).__name__ == "CalibrationFailed") == (grade == "bad")
    assert file.read_bytes() == before, "what does not hold is neither changed nor dated anew"


def test_a_lens_that_was_made_anew_needs_no_new_hand_eye_calibration(file: Path, same: Path, tmp_path: Path) -> None:
    assert run("intrinsics", "--images", same, "--out", file).exit_code == 0
    assert "the intrinsics were made anew after the hand-eye" in " ".join(order(file))
    assert run("verify", file, "--images", same).exit_code == 0
    assert order(file) == []


def order(file: Path) -> list[str]:
    return problems(load_calibration(file), "ur5e", "CAM1", (640, 480), time.time())


def test_views_of_another_camera_verify_nothing(file: Path, tmp_path: Path) -> None:
    result = run("verify", file, "--images", new_views(tmp_path / "views", setup=replace(SETUP, camera="CAM2")))
    assert type(result.exception).exit_code == 1
    assert "the camera with serial 'CAM1'" in str(result.exception) and "'CAM2'" in str(result.exception)


def test_views_that_fit_no_camera_are_no_proof(file: Path, same: Path) -> None:
    """A board of another size than it is said to be."""
    result = run("verify", file, "--images", same, "--square", "28.5")
    assert "the board seems to be" in result.output and "does not hold" in str(result.exception)


def test_a_file_without_a_hand_eye_part_is_told_of(file: Path, same: Path) -> None:
    save_calibration(file, Calibration())
    result = run("verify", file, "--images", same)
    assert "has no hand-eye part" in str(result.exception)
