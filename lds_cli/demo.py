"""`lds demo`: record scenes, segment them, and make a page that shows how well."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lds_cli.console import console

if TYPE_CHECKING:
    from rich.table import Table

    from perception.score import Measured

SEED = 2026  # no weights are trained on scenes of this seed
NODES = ["/camera", "/segmentation", "/scorer"]
START_UP = 120.0  # seconds that the nodes may take beyond the time they measure


class DemoError(Exception):
    """Nothing was recorded, or no segmentation came. The message says why."""

    exit_code = 1


def demo(
    out: Annotated[Path, typer.Option(help="Folder for scenes, pictures and the page.")] = Path("runs/demo"),
    seconds: Annotated[float, typer.Option(min=1, help="How long to measure perception.")] = 30,
    weights: Annotated[
        str, typer.Option(help="Shipped weights by name, a file, or a run's folder.")
    ] = "monet_lds_table",
    scenes: Annotated[int, typer.Option(min=1, help="Scenes to record.")] = 2,
    views: Annotated[int, typer.Option(min=1, help="Views of each scene.")] = 20,
) -> None:
    """Record scenes with a simulated arm, stream them as a camera, segment them, and measure what a listener gets.

    Starts a roscore, unless one answers at ROS_MASTER_URI, and all nodes that it needs. First the simulated rig records
    cubes on a table through the capture node. Then a camera plays the recording at 640x480 and 30 Hz to the
    segmentation node, and a scorer listens. Ends by itself, with numbers, a picture and a page.

    Example: lds demo --seconds 60 --out /tmp/demo
    """
    from lds_cli.demo_report import write_report
    from lds_cli.launching import choose_master
    from lds_models.weights import find_weights
    from perception.score import read_measured

    find_weights(weights)
    choose_master(NODES)
    recording = _unused(out / "recording")
    console.print(f"Recording {scenes} scenes of {views} views with the simulated arm and camera", soft_wrap=True)
    record(recording, scenes, views)
    with tempfile.TemporaryDirectory() as folder:
        score = Path(folder)
        run_nodes(recording, out / "perception.log", weights, choose_master(NODES), score, seconds)
        measured = read_measured(score)
        sheet, page = write_report(recording, measured, score, weights, out)
    console.print(_table(recording, measured))
    for name, path in (("Recording", recording), ("Overlays", sheet), ("Report", page)):
        console.print(f"[green]{name:9}[/] {path}", soft_wrap=True)


def record(folder: Path, scenes: int, views: int) -> None:
    """Record into a folder with the simulated rig. Raises DemoError where not all was recorded."""
    from lds_cli.recording import Rig, run_recording

    goal = {
        "dataset": str(folder.resolve()), "scenes": scenes, "views": views, "viewpoints": "hemisphere",
        "seed": SEED, "auto": True, "note": "lds demo",
    }  # fmt: skip
    if not run_recording(goal, Rig(simulated=True)):
        raise DemoError("the scenes were not recorded, see above")


def _unused(path: Path) -> Path:
    """The first of path_1, path_2, ... that does not exist: what an earlier demo recorded stays."""
    return next(free for n in itertools.count(1) if not (free := path.with_name(f"{path.name}_{n}")).exists())


def run_nodes(data: Path, log: Path, weights: str, master: str, score: Path, seconds: float, world: str = "") -> None:
    """Play the dataset `data` to the segmentation node, scored into the folder `score`; `world`: see the node's.

    Raises:
        DemoError: no labels came, or the launch did not end.
        LaunchError: ROS is not on the path.
    """
    from lds_cli.launching import Launch

    arguments = {
        "data": data.resolve(),
        "weights": Path(weights).resolve() if Path(weights).exists() else weights,
        "score": score,
        "seconds": seconds,
        "world": world,
    }
    with Launch("demo.launch", arguments, master, log) as launch:
        console.print(
            f"Playing and segmenting for {seconds:g} s. To look on, in another shell here:\n"
            f"  ROS_MASTER_URI={master} ./run shell -c 'rostopic echo -n1 /segmentation/objects'",
            soft_wrap=True,
        )
        with console.status("roscore, camera, segmentation and scorer run ..."):
            ended = launch.wait(seconds + START_UP)
    if not (score / "score.json").exists():
        why = launch.reason() if ended else f"the nodes did not end within {seconds + START_UP:.0f} s"
        raise DemoError(f"no labels came: {why}. All that the nodes said is in {launch.log}")


def _table(recording: Path, measured: Measured) -> Table:
    from rich import box
    from rich.table import Table

    from lds_cli.demo_report import summary

    table = Table(title="What a listener got", title_justify="left", box=box.SIMPLE, show_header=False)
    for name, value, note in summary(recording, measured):
        table.add_row(name, f"[bold]{value}[/]", f"[dim]{note}[/]")
    return table
