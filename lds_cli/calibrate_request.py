"""What the options of `lds capture calibrate` ask for: which board, and how its views are to be taken."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lds_cli.recording import BadOption, name_or_file

if TYPE_CHECKING:
    from capture.calibration.board import Board
    from capture.calibration.calibration import Calibration
    from capture.calibration.session import Request
    from capture.calibration.view_folder import Setup

SIMULATED_GUESS = "0.05 0 0.05 0 0 0.7071 0.7071"  # roughly, as somebody would read it off a ruler


@dataclass(frozen=True)
class Asked:
    """The options of how to take views."""

    camera: str
    robot: str | None
    views: int
    square: float | None
    auto: bool
    simulated: bool
    camera_on_tool: str | None
    waypoints: str | None


def view_request(
    asked: Asked, out: Path, before: Calibration, what: Literal["intrinsics", "handeye", "verify"]
) -> Request:
    """Which views to take, for a calibration file `out` that held `before`.

    Raises:
        BadOption: something that cannot be guessed was not said.
    """
    from capture.calibration.session import Request

    for_lens = what == "intrinsics"
    auto = asked.auto or asked.simulated
    robot = asked.robot or ("simulated" if asked.simulated else "")
    if auto or not for_lens:
        named_robot(robot)
    guess = asked.camera_on_tool or (SIMULATED_GUESS if asked.simulated else None)
    return Request(
        for_lens=for_lens,
        folder=str(_new_folder(out, what)),
        robot=name_or_file(robot),
        camera="simulated" if asked.simulated else name_or_file(asked.camera),
        square=board_of_squares(asked.square).square,
        views=asked.views,
        auto=auto,
        camera_on_tool=_camera_on_tool(guess, before) if auto and asked.waypoints is None else None,
        waypoints=name_or_file(asked.waypoints or ""),
        simulated=asked.simulated,
    )


def named_robot(robot: str | None) -> str:
    """The robot; BadOption where none was said."""
    if not robot:
        raise BadOption("which robot? Say --robot NAME, a name from config/robots or a YAML file")
    return robot


def board_of_squares(square: float | None, setup: Setup | None = None) -> Board:
    """Our board with squares of so many millimetres, else that of the views, else as it is printed."""
    from capture.calibration.board import BOARD
    from capture.calibration.session import board_of

    if square is None:
        return BOARD if setup is None else setup.board
    return board_of(square / 1000)


def _new_folder(out: Path, what: str) -> Path:
    return (out.parent / f"{out.stem}_views" / f"{what}_{time.strftime('%Y-%m-%d_%H-%M-%S')}").resolve()


def _camera_on_tool(text: str | None, before: Calibration) -> tuple[float, ...]:
    """x y z qx qy qz qw, as given or by an earlier calibration."""
    from datasets.poses import numbers_of_pose

    if text is None and before.hand_eye is not None:
        return numbers_of_pose(before.hand_eye.T_tool_camera)
    if text is None:
        raise BadOption(
            "--auto must know roughly where the camera is on the tool, to aim it: measure with a ruler, and give "
            "--camera-on-tool 'x y z qx qy qz qw'; or teach it --waypoints; or guide it by hand, without --auto"
        )
    try:
        numbers = tuple(float(word) for word in text.replace(",", " ").split())
    except ValueError:
        numbers = ()
    if len(numbers) != 7 or not all(map(math.isfinite, numbers)) or abs(sum(q * q for q in numbers[3:]) - 1) > 0.05:
        raise BadOption(f"--camera-on-tool: '{text}' is not 'x y z qx qy qz qw' with a unit quaternion")
    return numbers
