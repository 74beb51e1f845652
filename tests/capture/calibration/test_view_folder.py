"""Views in a folder: pairs of picture and pose that cannot shift."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from board_views import LENS, T_BASE_BOARD, T_TOOL_CAMERA, camera_poses, error, picture

from capture.calibration.board import BOARD
from capture.calibration.view_folder import Setup, ViewFolder, read_pictures, read_setup, read_views
from capture.errors import CalibrationError

SETUP = Setup("CAM1", BOARD, "ur5e", LENS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    writer = ViewFolder(tmp_path / "views", SETUP)
    for pose in camera_poses(rng, 3):
        writer.add(picture(np.linalg.inv(pose), rng), T_BASE_BOARD @ pose @ np.linalg.inv(T_TOOL_CAMERA))
    return tmp_path / "views"


def test_views_come_back_with_pictures_and_poses(folder: Path) -> None:
    views = read_views(folder, BOARD)
    poses = camera_poses(np.random.default_rng(0), 3)
    assert [view.name for view in views] == ["view_000.png", "view_001.png", "view_002.png"]
    assert all(view.detection.usable for view in views)
    for view, pose in zip(views, poses, strict=True):
        angle, distance = error(view.T_base_tool, T_BASE_BOARD @ pose @ np.linalg.inv(T_TOOL_CAMERA))
        assert angle < 1e-9 and distance < 1e-9


def test_setup_comes_back(folder: Path) -> None:
    setup = read_setup(folder)
    assert (setup.camera, setup.board, setup.robot) == ("CAM1", BOARD, "ur5e")
    assert np.array_equal(setup.lens.K, LENS.K)


def test_setup_of_a_camera_that_tells_nothing_comes_back(tmp_path: Path) -> None:
    ViewFolder(tmp_path / "views", Setup("CAM1", BOARD))
    assert read_setup(tmp_path / "views") == Setup("CAM1", BOARD)


def test_deleting_a_picture_with_its_row_shifts_no_pair(folder: Path) -> None:
    before = {view.name: view.T_base_tool for view in read_views(folder, BOARD)}
    (folder / "view_001.png").unlink()
    table = folder / "views.csv"
    table.write_text("".join(line for line in table.open() if "view_001" not in line))
    after = read_views(folder, BOARD)
    assert [view.name for view in after] == ["view_000.png", "view_002.png"]
    assert all(np.array_equal(view.T_base_tool, before[view.name]) for view in after)


def test_picture_that_is_gone_is_named(folder: Path) -> None:
    (folder / "view_001.png").unlink()
    with pytest.raises(CalibrationError, match="names the picture view_001.png, and there is none"):
        read_views(folder, BOARD)


def test_picture_without_a_pose_is_named(folder: Path) -> None:
    (folder / "extra.png").write_bytes((folder / "view_000.png").read_bytes())
    with pytest.raises(CalibrationError, match=r"has no row for extra\.png"):
        read_views(folder, BOARD)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("view_002.png,0,0,0,0,0,0", "line 4: is not a name and 7 numbers"),
        ("view_002.png,,,,,,,", "line 4: is not a name and 7 numbers"),
        ("view_002.png,0,0,x,0,0,0,1", "line 4: is not a name and 7 numbers"),
        ("view_002.png,0,0,0,0,0,0,2", "line 4: qx qy qz qw is not a unit quaternion"),
        ("view_000.png,0,0,0,0,0,0,1", "line 4: a second pose for view_000.png"),
    ],
)
def test_wrong_row_is_named(folder: Path, row: str, words: str) -> None:
    table = folder / "views.csv"
    table.write_text("\n".join([*table.read_text().splitlines()[:-1], row]))
    with pytest.raises(CalibrationError, match=r"views\.csv") as raised:
        read_views(folder, BOARD)
    assert words in str(raised.value)


def test_table_with_other_columns_is_refused(folder: Path) -> None:
    (folder / "views.csv").write_text("name,x,y,z\n")
    with pytest.raises(CalibrationError, match="the first line is not image,x,y,z,qx,qy,qz,qw"):
        read_views(folder, BOARD)


def test_pictures_alone_are_not_enough_for_poses(folder: Path) -> None:
    (folder / "views.csv").unlink()
    with pytest.raises(CalibrationError, match=r"views\.csv: is missing: hand-eye calibration needs it"):
        read_views(folder, BOARD)


def test_broken_picture_is_named(folder: Path) -> None:
    (folder / "view_002.png").write_bytes(b"not a picture")
    with pytest.raises(CalibrationError, match=r"view_002\.png: is no readable picture"):
        read_pictures(folder)


def test_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="there is no picture in it"):
        read_pictures(tmp_path)
    with pytest.raises(CalibrationError, match="there is no such folder"):
        read_pictures(tmp_path / "nowhere")


def test_earlier_views_are_never_written_over(folder: Path) -> None:
    with pytest.raises(CalibrationError, match="is not empty"):
        ViewFolder(folder, SETUP)


def test_changed_setup_is_named(folder: Path) -> None:
    (folder / "camera.yaml").write_text("camera: 7\n")
    with pytest.raises(CalibrationError, match=r"camera\.yaml: .*'camera' in the file is 7 and not a text"):
        read_setup(folder)


@pytest.mark.parametrize(
    ("board", "words"),
    [
        ("{dictionary: DICT_9X9}", "'DICT_9X9' is none of OpenCV's dictionaries"),
        ("{dictionary: CharucoBoard}", "'CharucoBoard' is none of OpenCV's dictionaries"),
        ("{columns: 2}", "a board has 3 x 3 squares or more"),
        ("{marker: 0.03}", "its markers are smaller than its squares"),
        ("{columns: 30, rows: 20}", "DICT_4X4_50 has 50 markers, and a board of this size needs 300"),
    ],
)
def test_board_that_cannot_be_is_named(folder: Path, board: str, words: str) -> None:
    content = yaml.safe_load((folder / "camera.yaml").read_text())
    content["board"] |= yaml.safe_load(board)
    (folder / "camera.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(CalibrationError, match=r"camera\.yaml: ") as raised:
        read_setup(folder)
    assert words in str(raised.value)


@pytest.mark.parametrize("content", [b"image,x,y,z,qx,qy,qz,qw\n\xff", b'image,x,y,z,qx,qy,qz,qw\n"a"b,0\n'])
def test_table_that_is_none_is_named(folder: Path, content: bytes) -> None:
    (folder / "views.csv").write_bytes(content)
    with pytest.raises(CalibrationError, match=r"views\.csv: is no readable table"):
        read_views(folder, BOARD)


def test_only_whole_pictures_have_a_name(folder: Path) -> None:
    assert sorted(file.name for file in folder.iterdir()) == [
        "camera.yaml", "view_000.png", "view_001.png", "view_002.png", "views.csv"
    ]  # fmt: skip
