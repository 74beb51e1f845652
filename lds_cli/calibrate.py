"""`lds capture calibrate`: the printed board, a camera's lens, and where the camera sits on the arm."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lds_cli.calibrate_report import show_hand_eye, show_intrinsics, show_verification
from lds_cli.calibrate_request import Asked, board_of_squares, named_robot, view_request
from lds_cli.calibrate_views import CalibrationFailed, take_views
from lds_cli.console import console
from lds_cli.options import Robot

if TYPE_CHECKING:
    from capture.calibration.calibration import Calibration, HandEye, IntrinsicsResult
    from capture.calibration.view_folder import Setup
    from capture.cameras.camera import Intrinsics

app = typer.Typer(
    help="Calibrate a camera, and where it sits on an arm.",
    epilog="Example: lds capture calibrate intrinsics --camera webcam",
    no_args_is_help=True,
)

Images = Annotated[
    Path | None, typer.Option(help="Use the pictures of this folder, and take none.", show_default=False)
]
Out = Annotated[Path, typer.Option(help="The calibration file; the other part that it holds is kept.")]
Square = Annotated[
    float | None,
    typer.Option(min=5, max=200, help="True side of a square of the printed board, mm.", show_default="30"),
]
Camera = Annotated[str, typer.Option(help="A name from config/cameras, or a YAML file.")]
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


@app.command()
def board(
    out: Annotated[Path, typer.Argument(help="The PDF file to write.", show_default=False)],
    square: Square = None,
) -> None:
    """Write the calibration board as a PDF of A4, to be printed at 100 % and glued on something flat.

    Example: lds capture calibrate board board.pdf
    """
    from capture.calibration.board_pdf import write_board_pdf

    pattern = board_of_squares(square)
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
    asked = Asked(camera, robot, views, square, auto, simulated, camera_on_tool, waypoints)
    folder = images or take_views(view_request(asked, out, before, "intrinsics"))
    setup = read_setup(folder)
    pattern = board_of_squares(square, setup)
    with console.status("finding the board in the pictures ..."):
        detections = [pattern.detect(image) for image in read_pictures(folder).values()]
        result = calibrate_intrinsics(detections, _serial(setup), datetime.now(UTC), pattern)
    show_intrinsics(result)
    _save(out, replace(before, intrinsics=result), result, folder)


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
    before = _earlier(out)
    asked = Asked(camera, robot, views, square, auto, simulated, camera_on_tool, waypoints)
    folder = images or take_views(view_request(asked, out, before, "handeye"))
    result = _hand_eye_from(folder, before, robot, square)
    show_hand_eye(result, simulated)
    _save(out, replace(before, hand_eye=result), result, folder)


@app.command()
def verify(
    calibration: Annotated[Path, typer.Argument(help="The calibration file.", show_default=False)],
    images: Images = None,
    camera: Camera = "webcam",
    robot: Annotated[
        str | None,
        typer.Option(help="A name from config/robots, or a YAML file.", show_default="the calibration's"),
    ] = None,
    views: Annotated[int, typer.Option(min=8, max=100, help="Views to take, at the least.")] = 10,
    square: Square = None,
    auto: Auto = False,
    simulated: Simulated = False,
    waypoints: Waypoints = None,
) -> None:
    """See by a few new views of the board whether a hand-eye calibration still holds: after a knock, or a month.

    Views are taken as for `handeye`. Where it holds, it is good for 30 more days; where it does not, the exit code is
    1, and it says by how much the camera has moved.

    Example: lds capture calibrate verify lab.yaml --camera realsense --auto
    """
    from capture.calibration.calibration_file import load_calibration, save_calibration
    from capture.calibration.verification import verify_hand_eye

    before = load_calibration(calibration)
    if (known := before.hand_eye) is None:
        raise CalibrationFailed(f"{calibration}: has no hand-eye part: make it by `lds capture calibrate handeye`")
    robot = robot or known.robot
    asked = Asked(camera, robot, views, square, auto, simulated, None, waypoints)
    folder = images or take_views(view_request(asked, calibration, before, "verify"))
    now = _hand_eye_from(folder, before, robot, square)
    if (now.robot, now.camera) != (known.robot, known.camera):
        raise CalibrationFailed(
            f"{calibration}: is of the robot '{known.robot}' and the camera with serial '{known.camera}', and these "
            f"views are of '{now.robot}' and '{now.camera}'"
        )
    result = verify_hand_eye(known, now)
    show_verification(result, now)
    if result.verdict.grade == "bad":
        raise CalibrationFailed(f"{calibration}: does not hold any more; it is as it was. The views: {folder}")
    if result.verdict.grade == "good":
        save_calibration(calibration, replace(before, hand_eye=replace(known, verified=now.made)))
        console.print(f"{calibration}: holds; it is good for 30 more days", soft_wrap=True)


def _hand_eye_from(folder: Path, before: Calibration, robot: str | None, square: float | None) -> HandEye:
    """The hand-eye calibration that a folder of views gives, with the lens that is known before."""
    from capture.calibration.hand_eye import calibrate_hand_eye
    from capture.calibration.view_folder import read_setup, read_views

    setup = read_setup(folder)
    lens = _lens(before, setup)
    robot_name = named_robot(robot) if setup is None or setup.robot is None else setup.robot
    with console.status("finding the board, and the camera on the tool ..."):
        seen = read_views(folder, board_of_squares(square, setup))
        return calibrate_hand_eye(seen, lens, robot_name, _serial(setup), datetime.now(UTC))


def _earlier(out: Path) -> Calibration:
    """What the file holds already; an empty calibration where there is none yet."""
    from capture.calibration.calibration import Calibration
    from capture.calibration.calibration_file import load_calibration

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


def _save(out: Path, calibration: Calibration, new: IntrinsicsResult | HandEye, folder: Path) -> None:
    """Save a calibration with its new part; a bad one in a file beside it. Raises CalibrationFailed for that."""
    from capture.calibration.calibration_file import save_calibration

    if new.verdict.grade == "bad":
        aside = out.with_suffix(f".bad{out.suffix}")
        save_calibration(aside, calibration)
        raise CalibrationFailed(
            f"the calibration is bad; it was put aside in {aside} and {out} is as it was. The views: {folder}"
        )
    save_calibration(out, calibration)
    console.print(f"saved in {out}; the views are in {folder}", soft_wrap=True)
