"""`lds capture`: record scenes with an arm and a camera, go on after an interruption, teach viewpoints, calibrate."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from lds_cli.console import console
from lds_cli.launching import Launch, choose_master, nodes_of

app = typer.Typer(help="Record scenes with an arm and a camera; calibrate them.", no_args_is_help=True)

CAPTURE_NODE, SIMULATION_NODE = "/capture", "/simulation"

Dataset = Annotated[Path, typer.Argument(help="The dataset's folder; made where there is none.", show_default=False)]
Robot = Annotated[str, typer.Option(help="A name from config/robots, or a YAML file.")]
Camera = Annotated[str, typer.Option(help="A name from config/cameras, or a YAML file.")]
Calibration = Annotated[Path | None, typer.Option(help="The camera's calibration: lds capture calibrate.", show_default=False)]
Simulated = Annotated[bool, typer.Option("--simulated", help="Simulate arm, camera and table.")]
AcceptCalibration = Annotated[bool, typer.Option("--accept-calibration", help="Record with a bad or old one, too.")]


@app.command()
def record(
    dataset: Dataset,
    scenes: Annotated[int, typer.Option(min=1, help="How many scenes.")] = 1,
    views: Annotated[int, typer.Option(min=1, max=1000, help="Views of each scene.")] = 24,
    viewpoints: Annotated[str, typer.Option(help="A name from config/viewpoints, or a YAML file.")] = "hemisphere",
    auto: Annotated[bool, typer.Option("--auto", help="A service rearranges the objects, not the operator.")] = False,
    simulated: Simulated = False,
    robot: Robot = "simulated",
    camera: Camera = "simulated",
    calibration: Calibration = None,
    accept_calibration: AcceptCalibration = False,
    seed: Annotated[int, typer.Option(help="Chooses viewpoints, and cubes where they are simulated.")] = 0,
    note: Annotated[str, typer.Option(help="Anything worth remembering, stored with every scene.")] = "",
) -> None:
    """Record multi-view scenes. Starts what does not run yet: roscore, the simulated rig, the capture node.

    Every view is on the disk before the arm moves on; whatever happens, `lds capture resume` goes on from there.
    Ctrl-C stops the arm.

    Example: lds capture record data/cubes --scenes 20 --views 24 --simulated --auto
    """
    goal = {
        "dataset": str(dataset.resolve()), "scenes": scenes, "views": views, "viewpoints": _name_or_file(viewpoints),
        "seed": seed, "auto": auto, "note": note, "accept_calibration": accept_calibration,
    }  # fmt: skip
    _run(goal, _Rig(simulated, robot, camera, calibration))


@app.command()
def resume(
    dataset: Dataset,
    simulated: Simulated = False,
    robot: Robot = "simulated",
    camera: Camera = "simulated",
    calibration: Calibration = None,
    accept_calibration: AcceptCalibration = False,
) -> None:
    """Go on with an interrupted recording: the scene at its next view, then the scenes that were still to come.

    Example: lds capture resume data/cubes --simulated
    """
    goal = {"dataset": str(dataset.resolve()), "resume": True, "accept_calibration": accept_calibration}
    _run(goal, _Rig(simulated, robot, camera, calibration))


@dataclass(frozen=True)
class _Rig:
    simulated: bool
    robot: str
    camera: str
    calibration: Path | None


def _run(goal: dict[str, object], rig: _Rig) -> None:
    """Start what is missing and record. Exits with 1 where not all was recorded."""
    with ExitStack() as stack:
        master = choose_master([])
        running = nodes_of(master) or set()
        wanted = {"node": CAPTURE_NODE not in running, "simulated": rig.simulated and SIMULATION_NODE not in running}
        if any(wanted.values()):
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            log = Path(os.environ.get("ROS_LOG_DIR", scratch)) / "lds_capture.log"
            arguments = {name: str(value).lower() for name, value in wanted.items()} | {
                "robot": _name_or_file(rig.robot),
                "camera": _name_or_file(rig.camera),
                "calibration": _calibration(rig, scratch),
            }
            stack.enter_context(Launch("capture.launch", arguments, master, log))
            console.print(f"[dim]roscore at {master}; what the nodes say: {log}[/]", soft_wrap=True)
        client = ["rosrun", "lds_scenes", "record_node.py", json.dumps(goal)]
        ended = subprocess.run(
            [*client, f"~record:={CAPTURE_NODE}/record", f"~next_scene:={CAPTURE_NODE}/next_scene"],
            env={**os.environ, "ROS_MASTER_URI": master},
        )
    if ended.returncode:
        raise typer.Exit(1)


def _calibration(rig: _Rig, scratch: Path) -> Path | str:
    """The calibration to record with; in simulation, without another, the truth."""
    if rig.calibration is not None:
        return rig.calibration.resolve()
    if not rig.simulated:
        return ""
    from capture.calibration.calibration import save_calibration
    from capture.simulation.true_calibration import true_calibration

    path = scratch / "calibration.yaml"
    save_calibration(path, true_calibration())
    return path


def _name_or_file(name: str) -> str:
    return str(Path(name).resolve()) if Path(name).is_file() else name
