"""One sitting in front of the board: what was asked for, and the taking of views, with or without ROS."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from capture.arms.arm import Arm
from capture.calibration.board import BOARD, Board
from capture.calibration.collecting import Collector
from capture.calibration.guides import HandEyeGuide, LensGuide
from capture.calibration.view_folder import Setup, ViewFolder
from capture.cameras.camera import Camera
from capture.picture_at_rest import PictureAtRest
from capture.quality import QualityCheck, QualityLimits


@dataclass(frozen=True, kw_only=True)
class Request:
    """What an operator asks for; crosses from the command to the node as JSON.

    Attributes:
        for_lens: intrinsics; otherwise hand-eye.
        folder: takes the views.
        robot, camera: names from config/robots and config/cameras, or files.
        square: true side of a square of the printed board, metres.
        views: how many are wanted.
        auto: the arm moves by itself.
        camera_on_tool: x y z (metres) and qx qy qz qw: roughly, to aim by, where the arm chooses its poses itself.
        waypoints: taught ones (see `lds capture teach`) that the arm goes through instead; empty: none.
        simulated: the board is to be shown in simulation.
    """

    for_lens: bool
    folder: str
    robot: str
    camera: str
    square: float
    views: int
    auto: bool = False
    camera_on_tool: tuple[float, ...] | None = None
    waypoints: str = ""
    simulated: bool = False

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Request:
        return Request(**json.loads(text))


def board_of(square: float) -> Board:
    """Our board, printed so that its squares have this side (metres)."""
    return Board(square=square, marker=BOARD.marker * square / BOARD.square)


def start_collecting(
    request: Request, camera: Camera, limits: QualityLimits, arm: Arm | None, interrupted: Callable[[], bool]
) -> Collector:
    """All that taking views needs, of an open camera and arm; makes the folder. Raises CalibrationError.

    Args:
        limits: of the camera's settings: when its picture counts as at rest.
    """
    board = board_of(request.square)
    robot, where = (None, None) if arm is None else (arm.name, arm.T_base_tool)
    folder = ViewFolder(Path(request.folder), Setup(camera.serial, board, robot, camera.intrinsics))
    guide = LensGuide(board, request.views) if request.for_lens else HandEyeGuide(request.views)
    picture = PictureAtRest(camera, QualityCheck(limits))
    return Collector(camera, where, board, guide, folder, Teller(), interrupted, picture)


class Teller:
    """Shows the operator one line that changes in place on a terminal; elsewhere a line whenever it changes."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, line: str) -> None:
        if line == self._last:
            return
        self._last = line
        if not sys.stdout.isatty():
            print(line, flush=True)
            return
        stays = line.endswith("[taken]") or "[left out" in line
        shown = line if stays else line[: shutil.get_terminal_size().columns - 1]  # what wraps cannot be replaced
        print(f"\r\x1b[K{shown}", end="\n" if stays else "", flush=True)
