"""Pictures of the board and the arm's poses in a folder: what live calibration writes as it goes, and computes from.

    view_000.png ...   pictures, without loss
    views.csv          image,x,y,z,qx,qy,qz,qw: where the tool was, in the arm's base frame (m); empty for a lens alone
    camera.yaml        which camera and robot, the board, what the camera tells of its lens; may be missing

A row names its picture, so that a picture that is deleted, or shows no board, shifts nothing.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from capture.calibration.board import Board
from capture.calibration.hand_eye import View
from capture.cameras.camera import Intrinsics
from capture.errors import CalibrationError
from capture.plain_data import from_plain, to_plain
from datasets.atomic import sync, whole_file
from datasets.poses import numbers_of_pose, pose_of_numbers
from datasets.scene import DatasetError
from datasets.yaml_file import read_yaml

HEADER = ("image", "x", "y", "z", "qx", "qy", "qz", "qw")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class Setup:
    """What all pictures share: serial number of the camera, board, name of the robot, the lens as the camera tells."""

    camera: str
    board: Board
    robot: str | None = None
    lens: Intrinsics | None = None


class ViewFolder:
    """Takes views as they come; each is on the disk when `add` returns.

    Raises:
        CalibrationError: there are views in the folder already, or it cannot be written.
    """

    def __init__(self, path: Path, setup: Setup) -> None:
        import yaml

        self.path = path
        self.count = 0
        try:
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise CalibrationError(f"{path}: is not empty: name another folder for the views")
            with whole_file(path / "camera.yaml") as temporary:
                temporary.write_text(yaml.safe_dump(to_plain(setup), sort_keys=False, default_flow_style=None))
            self._append(HEADER)
        except DatasetError as error:
            raise CalibrationError(str(error)) from error
        except OSError as error:
            raise CalibrationError(f"{path}: cannot be written: {error.strerror}") from error

    def add(self, image: np.ndarray, T_base_tool: np.ndarray | None = None) -> None:
        """Keep a picture, uint8 [H,W,3] RGB, and where the tool was, float64 [4,4]. Raises CalibrationError."""
        name = f"view_{self.count:03d}.png"
        _, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        numbers = ("",) * 7 if T_base_tool is None else map(repr, numbers_of_pose(T_base_tool))
        try:
            with whole_file(self.path / name) as temporary:
                temporary.write_bytes(data.tobytes())
            self._append((name, *numbers))
        except DatasetError as error:
            raise CalibrationError(str(error)) from error
        except OSError as error:
            raise CalibrationError(f"{self.path}: a view cannot be written: {error.strerror}") from error
        self.count += 1

    def _append(self, row: tuple[str, ...]) -> None:
        table = self.path / "views.csv"
        with table.open("a", newline="") as file:
            csv.writer(file).writerow(row)
        sync(table)


def read_setup(folder: Path) -> Setup | None:
    """What camera.yaml says; None where there is none. Raises CalibrationError where it is wrong."""
    file = folder / "camera.yaml"
    if not file.exists():
        return None
    try:
        return from_plain(Setup, read_yaml(file), "the file")
    except (OSError, ValueError) as error:
        raise CalibrationError(f"{file}: {error}") from error


def read_pictures(folder: Path) -> dict[str, np.ndarray]:
    """All pictures of a folder by name, uint8 [H,W,3] RGB. Raises CalibrationError where none is, or one unreadable."""
    if not folder.is_dir():
        raise CalibrationError(f"{folder}: there is no such folder")
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in PICTURES)
    if not files:
        raise CalibrationError(f"{folder}: there is no picture in it ({', '.join(PICTURES)})")
    return {file.name: _read_picture(file) for file in files}


def read_views(folder: Path, board: Board) -> list[View]:
    """All views of a folder. A picture without a pose, or a pose without its picture, is an error, not a shift.

    Raises:
        CalibrationError: a file is missing, cannot be read or does not fit; names it.
    """
    pictures = read_pictures(folder)
    poses = _read_poses(folder / "views.csv")
    if lost := [name for name in poses if name not in pictures]:
        raise CalibrationError(
            f"{folder / 'views.csv'}: names the picture {lost[0]}, and there is none: delete its row"
        )
    if lost := [name for name in pictures if name not in poses]:
        raise CalibrationError(
            f"{folder / 'views.csv'}: has no row for {lost[0]}: add where the tool was, or delete it"
        )
    return [View(name, poses[name], board.detect(image)) for name, image in pictures.items()]


def _read_picture(file: Path) -> np.ndarray:
    image = cv2.imread(str(file), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise CalibrationError(f"{file}: is no readable picture: delete it")
    return image


def _read_poses(file: Path) -> dict[str, np.ndarray]:
    if not file.exists():
        raise CalibrationError(
            f"{file}: is missing: hand-eye calibration needs it, with the columns {','.join(HEADER)} (where the tool "
            "was in the arm's base frame, metres and quaternion)"
        )
    try:
        with file.open(newline="") as opened:
            return _poses_from(csv.DictReader(opened, strict=True), file)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CalibrationError(f"{file}: is no readable table: {error}") from error


def _poses_from(rows: csv.DictReader[str], file: Path) -> dict[str, np.ndarray]:
    if tuple(rows.fieldnames or ()) != HEADER:
        raise CalibrationError(f"{file}: the first line is not {','.join(HEADER)}")
    poses: dict[str, np.ndarray] = {}
    for row in rows:
        name = row["image"]
        if name in poses:
            raise CalibrationError(f"{file}, line {rows.line_num}: a second pose for {name}")
        poses[name] = _pose_from(row, f"{file}, line {rows.line_num}")
    return poses


def _pose_from(row: dict[str, str], where: str) -> np.ndarray:
    try:
        numbers = np.array([float(row[key]) for key in HEADER[1:]])
    except (TypeError, ValueError) as error:
        raise CalibrationError(f"{where}: is not a name and 7 numbers ({','.join(HEADER)})") from error
    if not np.isfinite(numbers).all() or abs(np.linalg.norm(numbers[3:]) - 1) > 1e-2:
        raise CalibrationError(f"{where}: qx qy qz qw is not a unit quaternion, or a number is not finite")
    return pose_of_numbers(numbers[:3], numbers[3:])
