"""`lds capture calibrate`: the printed board, a camera's lens, and where the camera sits on the arm."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lds_cli.console import console

if TYPE_CHECKING:
    from capture.calibration.calibration import Calibration, HandEye, IntrinsicsResult
    from capture.calibration.session import Request
    from capture.calibration.view_folder import Setup
    from capture.cameras.camera import Intrinsics

app = typer.Typer(help="Calibrate a camera, and where it sits on an arm.", no_args_is_help=True)

SIMULATION_NODE = "/simulation"
SIMULATED_GUESS = "0.05 0 0.05 0 0 0.7071 0.7071"  # roughly, as somebody would read it off a ruler

Images = Annotated[
    Path | None, typer.Option(help="Use the pictures of this folder, and take none.", show_default=False)
]
Out = Annotated[Path, typer.Option(help="The calibration file; the other part that it holds is kept.")]
Square = Annotated[float, typer.Option(min=5, max=200, help="True side of a square of the printed board, mm.")]
Camera = Annotated[str, typer.Option(help="A name from config/cameras, or a YAML file.")]
Robot = Annotated[str, typer.Option(help="A name from config/robots, or a YAML file.")]
Auto = Annotated[bool, typer.Option("--auto", help="The arm moves by itself. Clear its surroundings first.")]
Simulated = Annotated[bool, typer.Option("--simulated", help="Simulate arm, camera and board.")]
CameraOnTool = Annotated[
    str | None,
    typer.Option(
        help="For --auto: roughly where the camera is on the tool, 'x y z qx qy qz qw', metres.",
        show_default="an earlier calibration's",
    ),
]


class CalibrationFailed(Exception):
    """No views, or none that say enough. The message says why."""

    exit_code = 1


class BadOption(Exception):
    """An option that does not do."""

    exit_code = 2


@app.command()
def board(
    out: Annotated[Path, typer.Argument(help="The PDF file to write.", show_default=False)],
    square: Square = 30.0,
) -> None:
    """Write the calibration board as a PDF of A4, to be printed at 100 % and glued on something flat.

    Example: lds capture calibrate board board.pdf
    """
    from capture.calibration.board_pdf import write_board_pdf
    from capture.calibration.session import board_of

    pattern = board_of(square / 1000)
    write_board_pdf(out, pattern)
    console.print(f"{out}: print it at 100 %; its {pattern.columns} squares in a row must measure "
                  f"{1000 * pattern.width:g} mm", soft_wrap=True)  # fmt: skip


@app.command()
def intrinsics(
    out: Out = Path("runs/calibration.yaml"),
    images: Images = None,
    camera: Camera = "webcam",
    robot: Robot = "simulated",
    views: Annotated[int, typer.Option(min=8, max=100, help="Views to take, at the least.")] = 20,
    square: Square = 30.0,
    auto: Auto = False,
    simulated: Simulated = False,
    camera_on_tool: CameraOnTool = None,
) -> None:
    """Calibrate a camera's lens: focal length, principal point, distortion.

    Move the board, or the camera, before the other; a view is taken whenever the picture is still, sharp and new. A
    camera that tells its lens itself (RealSense) needs none of this.

    Example: lds capture calibrate intrinsics --camera webcam
    """
    from capture.calibration.intrinsics import calibrate_intrinsics
    from capture.calibration.session import board_of
    from capture.calibration.view_folder import read_pictures, read_setup

    before = _earlier(out)
    request = _request(locals(), before, for_lens=True)
    folder = images or _take_views(request)
    setup = read_setup(folder)
    pattern = board_of(square / 1000) if setup is None else setup.board
    with console.status("finding the board in the pictures ..."):
        detections = [pattern.detect(image) for image in read_pictures(folder).values()]
        result = calibrate_intrinsics(detections, _serial(setup), datetime.now(UTC), pattern)
    _show_intrinsics(result)
    _save(out, before, folder, intrinsics=result)


@app.command()
def handeye(
    out: Out = Path("runs/calibration.yaml"),
    images: Images = None,
    camera: Camera = "webcam",
    robot: Robot = "simulated",
    views: Annotated[int, typer.Option(min=8, max=100, help="Views to take, at the least.")] = 20,
    square: Square = 30.0,
    auto: Auto = False,
    simulated: Simulated = False,
    camera_on_tool: CameraOnTool = None,
) -> None:
    """Find where the camera sits on the arm's tool (eye in hand), by views of a board that does not move.

    By hand: guide the arm (free drive, pendant) to look at the board from many sides, tilted and rolled; a view is
    taken whenever it rests. With --auto the arm goes around the board by itself.

    Example: lds capture calibrate handeye --robot ur5e --camera realsense --auto --camera-on-tool "0 0.05 0.08 0 0 0 1"
    """
    from capture.calibration.hand_eye import calibrate_hand_eye
    from capture.calibration.session import board_of
    from capture.calibration.view_folder import read_setup, read_views

    before = _earlier(out)
    request = _request(locals(), before, for_lens=False)
    folder = images or _take_views(request)
    setup = read_setup(folder)
    pattern = board_of(square / 1000) if setup is None else setup.board
    lens = _lens(before, setup)
    robot_name = robot if setup is None or setup.robot is None else setup.robot
    with console.status("finding the board, and the camera on the tool ..."):
        seen = read_views(folder, pattern)
        result = calibrate_hand_eye(seen, lens, robot_name, _serial(setup), datetime.now(UTC))
    _show_hand_eye(result, simulated)
    _save(out, before, folder, hand_eye=result)


def _request(options: dict, before: Calibration, for_lens: bool) -> Request:
    from capture.calibration.session import Request

    simulated, images = options["simulated"], options["images"]
    if simulated:
        options |= {"auto": True, "camera": "simulated"}
    guess = options["camera_on_tool"] or (SIMULATED_GUESS if simulated else None)
    return Request(
        for_lens=for_lens,
        folder=str(_new_folder(options["out"], for_lens)),
        robot=_name_or_file(options["robot"]),
        camera=_name_or_file(options["camera"]),
        square=options["square"] / 1000,
        views=options["views"],
        auto=options["auto"],
        camera_on_tool=_camera_on_tool(guess, before) if options["auto"] and images is None else None,
        simulated=simulated,
    )


def _new_folder(out: Path, for_lens: bool) -> Path:
    what = "intrinsics" if for_lens else "handeye"
    return (out.parent / f"{out.stem}_views" / f"{what}_{time.strftime('%Y-%m-%d_%H-%M-%S')}").resolve()


def _name_or_file(name: str) -> str:
    return str(Path(name).resolve()) if Path(name).is_file() else name


def _camera_on_tool(text: str | None, before: Calibration) -> tuple[float, ...]:
    """x y z qx qy qz qw, as given or by an earlier calibration."""
    from scipy.spatial.transform import Rotation

    if text is None and before.hand_eye is not None:
        T = before.hand_eye.T_tool_camera
        return (*T[:3, 3].tolist(), *Rotation.from_matrix(T[:3, :3]).as_quat().tolist())
    if text is None:
        raise BadOption(
            "--auto must know roughly where the camera is on the tool, to aim it: measure with a ruler, and give "
            "--camera-on-tool 'x y z qx qy qz qw'; or guide the arm by hand, without --auto"
        )
    try:
        numbers = tuple(float(word) for word in text.replace(",", " ").split())
    except ValueError:
        numbers = ()
    if len(numbers) != 7 or abs(sum(q * q for q in numbers[3:]) - 1) > 0.05:
        raise BadOption(f"--camera-on-tool: '{text}' is not 'x y z qx qy qz qw' with a unit quaternion")
    return numbers


def _take_views(request: Request) -> Path:
    """The folder with new views. Raises CalibrationFailed where they did not come."""
    from capture.cameras.settings import RosTopicSettings, load_camera

    needs_ros = not request.for_lens or request.auto or isinstance(load_camera(request.camera), RosTopicSettings)
    console.print(f"Views go to {request.folder}. Ctrl-C ends it.", soft_wrap=True)
    if needs_ros:
        _run_node(request)
    else:
        from capture.calibration.session import start_collecting
        from capture.cameras.opening import open_camera

        with open_camera(load_camera(request.camera)) as opened:
            start_collecting(request, opened, None, lambda: False).by_hand()
    return Path(request.folder)


def _run_node(request: Request) -> None:
    from lds_cli.launching import Launch, choose_master, nodes_of

    with ExitStack() as stack:
        master = choose_master([])
        if request.simulated and SIMULATION_NODE not in (nodes_of(master) or set()):
            log = Path(request.folder).parent / "simulation.log"
            stack.enter_context(Launch("sim.launch", {}, master, log))
            console.print(f"[dim]roscore at {master}; what the rig says: {log}[/]", soft_wrap=True)
            _wait_for_master(master)
        node = ["rosrun", "lds_scenes", "calibrate_node.py", request.to_json()]
        process = subprocess.Popen(node, env={**os.environ, "ROS_MASTER_URI": master})
        with _ctrl_c_for_the_node():
            ended = process.wait()
    if ended:
        kept = f"; the views so far are kept: go on from them with --images {request.folder}"
        some = any(Path(request.folder).glob("view_*.png"))
        raise CalibrationFailed(f"no calibration, for the reason above{kept if some else ''}")


@contextmanager
def _ctrl_c_for_the_node() -> Iterator[None]:
    """Ctrl-C reaches the node as well, which stops the arm; nothing here may kill it before that."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _wait_for_master(master: str, timeout: float = 60.0) -> None:
    from lds_cli.launching import nodes_of

    deadline = time.monotonic() + timeout
    while nodes_of(master) is None:
        if time.monotonic() > deadline:
            raise CalibrationFailed(f"no roscore came up at {master} within {timeout:.0f} s")
        time.sleep(0.2)


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


def _show_intrinsics(result: IntrinsicsResult) -> None:
    K, distortion = result.lens.K, result.lens.distortion
    _show(
        [
            ("focal length", f"{K[0, 0]:.2f}, {K[1, 1]:.2f} px", f"\u00b1 {result.focal_std:.2f}"),
            ("principal point", f"{K[0, 2]:.2f}, {K[1, 2]:.2f} px", f"\u00b1 {result.center_std:.2f}"),
            ("distortion", f"k1 {distortion[0]:.4f}, k2 {distortion[1]:.4f}", ""),
            ("corners off by", f"{result.rms:.3f} px", f"{result.held_out_rms:.3f} px in views held out"),
            ("views", f"{result.views}", f"of {result.lens.width} x {result.lens.height} pixels"),
        ]
    )
    _show_verdict(result)


def _show_hand_eye(result: HandEye, simulated: bool) -> None:
    from scipy.spatial.transform import Rotation

    T = result.T_tool_camera
    degrees = Rotation.from_matrix(T[:3, :3]).as_euler("ZYX", degrees=True)
    rows = [
        ("camera on the tool", ", ".join(f"{1000 * length:.1f}" for length in T[:3, 3]) + " mm", "x, y, z"),
        ("turned by", ", ".join(f"{angle:.2f}" for angle in degrees) + " deg", "about z, y, x"),
        ("corners off by", f"{result.rms:.2f} px", "through arm and hand-eye"),
        (
            "standard error",
            f"{result.leave_one_out_deg:.3f} deg, {result.leave_one_out_mm:.2f} mm",
            "leaving views out",
        ),
        (
            "solvers differ by",
            f"{result.solver_deg:.3f} deg, {result.solver_mm:.2f} mm",
            "Tsai, Park, Daniilidis, Shah",
        ),
        ("views", f"{result.views}", ""),
    ]
    if simulated:
        from capture.calibration.poses import difference
        from capture.simulation.truth import T_TOOL_CAMERA

        angle, distance = difference(T, T_TOOL_CAMERA)
        rows.append(("off the truth by", f"{angle:.3f} deg, {distance:.2f} mm", "which only a simulation tells"))
    _show(rows)
    _show_verdict(result)


def _show(rows: list[tuple[str, str, str]]) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE, show_header=False)
    for name, value, note in rows:
        table.add_row(name, f"[bold]{value}[/]", f"[dim]{note}[/]")
    console.print(table)


def _show_verdict(result: IntrinsicsResult | HandEye) -> None:
    colour = {"good": "green", "usable": "yellow", "bad": "red"}[result.verdict.grade]
    console.print(f"[bold {colour}]{result.verdict.grade}[/]")
    for reason in result.verdict.reasons:
        console.print(f"  - {reason}", soft_wrap=True, markup=False)


def _save(out: Path, before: Calibration, folder: Path, **part: IntrinsicsResult | HandEye) -> None:
    """Put the new part into the file; a bad one into a file beside it. Raises CalibrationFailed for that."""
    from dataclasses import replace

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
