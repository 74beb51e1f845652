"""`lds capture calibrate`: the printed board, a camera's lens, and where the camera sits on the arm."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lds_cli.calibrate_report import show_hand_eye, show_intrinsics
from lds_cli.calibrate_views import CalibrationFailed, take_views
from lds_cli.console import console
from lds_cli.recording import BadOption, name_or_file

if TYPE_CHECKING:
    from capture.calibration.board import Board
    from capture.calibration.calibration import Calibration, HandEye, IntrinsicsResult
    from capture.calibration.session import Request
    from capture.calibration.view_folder import Setup
    from capture.cameras.camera import Intrinsics

app = typer.Typer(help="Calibrate a camera, and where it sits on an arm.", no_args_is_help=True)

SIMULATED_GUESS = "0.05 0 0.05 0 0 0.7071 0.7071"  # roughly, as somebody would read it off a ruler

Images = Annotated[
    Path | None, typer.Option(help="Use the pictures of this folder, and take none.", show_default=False)
]
Out = Annotated[Path, typer.Option(help="The calibration file; the other part that it holds is kept.")]
Square = Annotated[
    float | None,
    typer.Option(min=5, max=200, help="True side of a square of the printed board, mm.", show_default="30"),
]
Camera = Annotated[str, typer.Option(help="A name from config/cameras, or a YAML file.")]
Robot = Annotated[str | None, typer.Option(help="A name from config/robots, or a YAML file.", show_default=False)]
Auto = Annotated[bool, typer.Option("--auto", help="The arm moves by itself. Clear its surroundings first.")]
Simulated = Annotated[bool, typer.Option("--simulated", help="Simulate arm, camera and board.")]
CameraOnTool = Annotated[
    str | None,
    typer.Option(
        help="For --auto: roughly where the camera is on the tool, 'x y z qx qy qz qw', metres.",
        show_default="an earlier calibration's",
    ),
]
Waypoints = Annotated[
    str | None, typer.Option(help="For --auto: go through these, see `lds capture teach`.", show_default=False)
]


@dataclass(frozen=True)
class _Asked:
    """The options of how to take views."""

    camera: str
    robot: str | None
    views: int
    square: float | None
    auto: bool
    simulated: bool
    camera_on_tool: str | None
    waypoints: str | None


@app.command()
def board(
    out: Annotated[Path, typer.Argument(help="The PDF file to write.", show_default=False)],
    square: Square = None,
) -> None:
    """Write the calibration board as a PDF of A4, to be printed at 100 % and glued on something flat.

    Example: lds capture calibrate board board.pdf
    """
    from capture.calibration.board_pdf import write_board_pdf

    pattern = _board(square)
    write_board_pdf(out, pattern)
    console.print(f"{out}: print it at 100 %; its {pattern.columns} squares in a row must measure "
                  f"{1000 * pattern.width:g} mm", soft_wrap=True)  # fmt: skip


@app.command()
def intrinsics(
    out: Out = Path("runs/calibration.yaml"),
    images: Images = None,
    camera: Camera = "webcam",
    robot: Robot = None,
    views: Annotated[int, typer.Option(min=8, max=100, help="Views to take, at the least.")] = 20,
    square: Square = None,
    auto: Auto = False,
    simulated: Simulated = False,
    camera_on_tool: CameraOnTool = None,
    waypoints: Waypoints = None,
) -> None:
    """Calibrate a camera's lens: focal length, principal point, distortion.

    Move the board, or the camera, before the other; a view is taken whenever the picture is still, sharp and new. A
    camera that tells its lens itself (RealSense) needs none of this.

    Example: lds capture calibrate intrinsics --camera webcam
    """
    from capture.calibration.intrinsics import calibrate_intrinsics
    from capture.calibration.view_folder import read_pictures, read_setup

    before = _earlier(out)
    asked = _Asked(camera, robot, views, square, auto, simulated, camera_on_tool, waypoints)
    folder = images or take_views(_request(asked, out, before, for_lens=True))
    setup = read_setup(folder)
    pattern = _board(square, setup)
    with console.status("finding the board in the pictures ..."):
        detections = [pattern.detect(image) for image in read_pictures(folder).values()]
        result = calibrate_intrinsics(detections, _serial(setup), datetime.now(UTC), pattern)
    show_intrinsics(result)
    _save(out, before, folder, intrinsics=result)


@app.command()
def handeye(
    out: Out = Path("runs/calibration.yaml"),
    images: Images = None,
    camera: Camera = "webcam",
    robot: Robot = None,
    views: Annotated[int, typer.Option(min=8, max=100, help="Views to take, at the least.")] = 20,
    square: Square = None,
    auto: Auto = False,
    simulated: Simulated = False,
    camera_on_tool: CameraOnTool = None,
    waypoints: Waypoints = None,
) -> None:
    """Find where the camera sits on the arm's tool (eye in hand), by views of a board that does not move.

    By hand: guide the arm (free drive, pendant) to look at the board from many sides, tilted and rolled; a view is
    taken whenever it rests. With --auto the arm goes around the board by itself.

    Example: lds capture calibrate handeye --robot ur5e --camera realsense --auto --camera-on-tool "0 0.05 0.08 0 0 0 1"
    """
    from capture.calibration.hand_eye import calibrate_hand_eye
    from capture.calibration.view_folder import read_setup, read_views

    before = _earlier(out)
    asked = _Asked(camera, robot, views, square, auto, simulated, camera_on_tool, waypoints)
    folder = images or take_views(_request(asked, out, before, for_lens=False))
    setup = read_setup(folder)
    pattern = _board(square, setup)
    lens = _lens(before, setup)
    robot_name = _known(robot) if setup is None or setup.robot is None else setup.robot
    with console.status("finding the board, and the camera on the tool ..."):
        seen = read_views(folder, pattern)
        result = calibrate_hand_eye(seen, lens, robot_name, _serial(setup), datetime.now(UTC))
    show_hand_eye(result, simulated)
    _save(out, before, folder, hand_eye=result)


def _request(asked: _Asked, out: Path, before: Calibration, for_lens: bool) -> Request:
    from capture.calibration.session import Request

    auto = asked.auto or asked.simulated
    robot = asked.robot or ("simulated" if asked.simulated else "")
    if auto or not for_lens:
        _known(robot)
    guess = asked.camera_on_tool or (SIMULATED_GUESS if asked.simulated else None)
    return Request(
        for_lens=for_lens,
        folder=str(_new_folder(out, for_lens)),
        robot=name_or_file(robot),
        camera="simulated" if asked.simulated else name_or_file(asked.camera),
        square=_board(asked.square).square,
        views=asked.views,
        auto=auto,
        camera_on_tool=_camera_on_tool(guess, before) if auto and asked.waypoints is None else None,
        waypoints=name_or_file(asked.waypoints or ""),
        simulated=asked.simulated,
    )


def _known(robot: str | None) -> str:
    if not robot:
        raise BadOption("which robot? Say --robot NAME, a name from config/robots or a YAML file")
    return robot


def _board(square: float | None, setup: Setup | None = None) -> Board:
    """Our board with squares of so many millimetres, else that of the views, else as it is printed."""
    from capture.calibration.board import BOARD
    from capture.calibration.session import board_of

    if square is None:
        return BOARD if setup is None else setup.board
    return board_of(square / 1000)


def _new_folder(out: Path, for_lens: bool) -> Path:
    what = "intrinsics" if for_lens else "handeye"
    return (out.parent / f"{out.stem}_views" / f"{what}_{time.strftime('%Y-%m-%d_%H-%M-%S')}").resolve()


def _camera_on_tool(text: str | None, before: Calibration) -> tuple[float, ...]:
    """x y z qx qy qz qw, as given or by an earlier calibration."""
    from scipy.spatial.transform import Rotation

    if text is None and before.hand_eye is not None:
        T = before.hand_eye.T_tool_camera
        return (*T[:3, 3].tolist(), *Rotation.from_matrix(T[:3, :3]).as_quat().tolist())
    if text is None:
        raise BadOption(
            "--auto must know roughly where the camera is on the tool, to aim it: measure with a ruler, and give "
            "--camera-on-tool 'x y z qx qy qz qw'; or teach it --waypoints; or guide it by hand, without --auto"
        )
    try:
        numbers = tuple(float(word) for word in text.replace(",", " ").split())
    except ValueError:
        numbers = ()
    if len(numbers) != 7 or abs(sum(q * q for q in numbers[3:]) - 1) > 0.05:
        raise BadOption(f"--camera-on-tool: '{text}' is not 'x y z qx qy qz qw' with a unit quaternion")
    return numbers


def _earlier(out: Path) -> Calibration:
    """What the file holds already; an empty calibration where there is none yet."""
    from capture.calibration.calibration import Calibration, load_calibration

    return load_calibration(out) if out.exists() else Calibration()


def _serial(setup: Setup | None) -> str:
    return "" if setup is None else setup.camera


def _lens(before: Calibration, setup: Setup | None) -> Intrinsics:
    if before.intrinsics is not None and before.intrinsics.camera == _serial(setup):
        return before.intrinsics.lens
    if setup is not None and setup.lens is not None:
        return setup.lens
    raise CalibrationFailed(
        f"the lens of the camera with serial '{_serial(setup)}' is not known: run `lds capture calibrate intrinsics` "
        "with the same --out first"
    )


def _save(out: Path, before: Calibration, folder: Path, **part: IntrinsicsResult | HandEye) -> None:
    """Put the new part into the file; a bad one into a file beside it. Raises CalibrationFailed for that."""
    from capture.calibration.calibration import save_calibration

    (result,) = part.values()
    if result.verdict.grade == "bad":
        aside = out.with_suffix(f".bad{out.suffix}")
        save_calibration(aside, replace(before, **part))
        raise CalibrationFailed(
            f"the calibration is bad; it was put aside in {aside} and {out} is as it was. The views: {folder}"
        )
    save_calibration(out, replace(before, **part))
    console.print(f"saved in {out}; the views are in {folder}", soft_wrap=True)
