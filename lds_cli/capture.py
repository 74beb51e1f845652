"""`lds capture`: record scenes with an arm and a camera, go on after an interruption, teach viewpoints, calibrate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lds_cli import calibrate
from lds_cli.console import console
from lds_cli.options import Robot
from lds_cli.recording import Rig, name_or_file, run_recording, run_teaching

app = typer.Typer(
    help="Record scenes with an arm and a camera; calibrate them.",
    epilog="Example: lds capture record data/cubes --simulated --auto",
    no_args_is_help=True,
)
app.add_typer(calibrate.app, name="calibrate")

Dataset = Annotated[Path, typer.Argument(help="The dataset's folder; made where there is none.", show_default=False)]
Camera = Annotated[str | None, typer.Option(help="A name from config/cameras, or a YAML file.", show_default=False)]
Calibration = Annotated[
    Path | None, typer.Option(help="The camera's calibration: lds capture calibrate.", show_default=False)
]
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
    robot: Robot = None,
    camera: Camera = None,
    calibration: Calibration = None,
    accept_calibration: AcceptCalibration = False,
    seed: Annotated[
        int, typer.Option(min=0, max=2**63 - 1, help="Chooses viewpoints, and cubes where they are simulated.")
    ] = 0,
    note: Annotated[str, typer.Option(help="Anything worth remembering, stored with every scene.")] = "",
) -> None:
    """Record multi-view scenes. Starts what does not run yet: roscore, the simulated rig, the capture node.

    Every view is on the disk before the arm moves on; whatever happens, `lds capture resume` goes on from there.
    Ctrl-C stops the arm. A capture node that runs already records with what it was started with; options that ask for
    another robot, camera or calibration are refused then.

    Example: lds capture record data/cubes --scenes 20 --views 24 --simulated --auto
    """
    goal = {
        "dataset": str(dataset.resolve()), "scenes": scenes, "views": views, "viewpoints": name_or_file(viewpoints),
        "seed": seed, "auto": auto, "note": note, "accept_calibration": accept_calibration,
    }  # fmt: skip
    _finish(run_recording(goal, Rig(simulated, robot, camera, calibration)))
    _name_the_next_step(dataset)


@app.command()
def resume(
    dataset: Dataset,
    simulated: Simulated = False,
    robot: Robot = None,
    camera: Camera = None,
    calibration: Calibration = None,
    accept_calibration: AcceptCalibration = False,
) -> None:
    """Go on with an interrupted recording: the scene at its next view, then the scenes that were still to come.

    Example: lds capture resume data/cubes --simulated
    """
    goal = {"dataset": str(dataset.resolve()), "resume": True, "accept_calibration": accept_calibration}
    _finish(run_recording(goal, Rig(simulated, robot, camera, calibration)))
    _name_the_next_step(dataset)


@app.command()
def finish(dataset: Dataset) -> None:
    """Keep an interrupted scene with the views that it has, where it cannot be resumed: the table was cleared, say.

    Example: lds capture finish data/cubes
    """
    from capture.recording.session import finish_interrupted
    from capture.storage.recording_folder import RecordingFolder

    with RecordingFolder(dataset) as folder:
        name, views = finish_interrupted(folder)
    kept = f"{name} is kept with {views} views" if views else f"{name} had no view; its journal is kept"
    console.print(f"[green]{kept}[/]")


@app.command()
def teach(
    file: Annotated[Path, typer.Argument(help="The YAML file to write, or to go on with.", show_default=False)],
    robot: Annotated[str, typer.Option(help="A name from config/robots, or a YAML file.", show_default=False)],
) -> None:
    """Guide the arm by hand to one view after another: Enter saves where it is. The arm's driver must be running.

    Example: lds capture teach views.yaml --robot ur5e

    Then: lds capture record data/cubes --viewpoints views.yaml --robot ur5e --camera realsense
    """
    _finish(run_teaching(file, robot))


def _name_the_next_step(dataset: Path) -> None:
    console.print(f"Next: lds data check {dataset}", markup=False, soft_wrap=True)


def _finish(done: bool) -> None:
    if not done:
        raise typer.Exit(1)
