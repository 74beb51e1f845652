"""Takes views of the calibration board: in this process where only a camera is needed, by a ROS node otherwise."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from lds_cli.console import console
from lds_cli.launching import Launch, choose_master, nodes_of, run_in_terminal
from lds_cli.recording import SIMULATION_NODE

if TYPE_CHECKING:
    from capture.calibration.session import Request


class CalibrationFailed(Exception):
    """No views, or none that say enough. The message says why."""

    exit_code = 1


def take_views(request: Request) -> Path:
    """The folder with new views.

    Raises:
        CalibrationFailed: they did not come.
        CaptureError, LaunchError: camera, arm or rig cannot be had.
    """
    from capture.cameras.settings import RosTopicSettings, load_camera

    settings = load_camera(request.camera)
    needs_ros = not request.for_lens or request.auto or isinstance(settings, RosTopicSettings)
    console.print(f"Views go to {request.folder}. Ctrl-C ends it.", soft_wrap=True)
    if needs_ros:
        _run_node(request)
    else:
        from capture.calibration.session import start_collecting
        from capture.cameras.opening import open_camera
        from capture.errors import CameraError

        try:
            with open_camera(settings) as opened:
                start_collecting(request, opened, settings.quality, None, lambda: False).by_hand()
        except (KeyboardInterrupt, CameraError) as error:
            raise CalibrationFailed(f"{str(error) or 'stopped as asked'}{_kept(request)}") from None
    return Path(request.folder)


def _run_node(request: Request) -> None:
    with ExitStack() as stack:
        master = choose_master([])
        if request.simulated and SIMULATION_NODE not in (nodes_of(master) or set()):
            log = Path(request.folder).parent / "simulation.log"
            launch = stack.enter_context(Launch("sim.launch", {}, master, log))
            console.print(f"[dim]roscore at {master}; what the rig says: {log}[/]", soft_wrap=True)
            launch.wait_for_master()
        ended = run_in_terminal("calibrate_node.py", [request.to_json()], master)
    if ended:
        raise CalibrationFailed(f"no calibration, for the reason above{_kept(request)}")


def _kept(request: Request) -> str:
    some = any(Path(request.folder).glob("view_*.png"))
    return f"; the views so far are kept: calibrate from them by --images {request.folder}" if some else ""
