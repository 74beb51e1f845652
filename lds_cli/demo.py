"""`lds demo`: the whole of perception at work, and a page that shows how well."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lds_cli.console import console, progress_bar

if TYPE_CHECKING:
    from rich.table import Table

    from perception.score import Measured

NODES = ["/camera", "/segmentation", "/scorer"]
START_UP = 120.0  # seconds that the nodes may take beyond the time they measure


class DemoError(Exception):
    """No segmentation came. The message says why."""

    exit_code = 1


def demo(
    out: Annotated[Path, typer.Option(help="Folder for scenes, pictures and the page.")] = Path("runs/demo"),
    seconds: Annotated[float, typer.Option(min=1, help="How long to measure.")] = 30,
    weights: Annotated[
        str, typer.Option(help="Shipped weights by name, a file, or a run's folder.")
    ] = "monet_lds_table",
    scenes: Annotated[int, typer.Option(min=1, help="Scenes to play, 10 views each.")] = 6,
) -> None:
    """Stream recorded scenes as a camera, segment them, and measure what a listener gets.

    Starts a roscore, unless one answers at ROS_MASTER_URI, a camera that plays scenes at 640x480 and 30 Hz, the
    segmentation node, and a scorer. Ends by itself, with numbers, a picture and a page.

    Example: lds demo --seconds 60 --out /tmp/demo
    """
    from lds_cli.demo_report import write_report
    from lds_cli.demo_scenes import record_demo_scenes
    from lds_cli.launching import choose_master
    from lds_models.weights import find_weights
    from perception.score import read_measured

    find_weights(weights)
    master = choose_master(NODES)
    with progress_bar("Rendering scenes", scenes) as progress:
        record_demo_scenes(out / "scenes", scenes, progress)
    with tempfile.TemporaryDirectory() as folder:
        score = Path(folder)
        run_nodes(out, weights, master, score, seconds)
        measured = read_measured(score)
        sheet, page = write_report(measured, score, weights, out)
    console.print(_table(measured))
    console.print(f"[green]Overlays[/] {sheet}\n[green]Report[/]   {page}", soft_wrap=True)


def run_nodes(out: Path, weights: str, master: str, score: Path, seconds: float) -> None:
    """Play the scenes in `out`/scenes to the segmentation node, scored into the folder `score`.

    Raises:
        DemoError: no labels came, or the launch did not end.
        LaunchError: ROS is not on the path.
    """
    from lds_cli.launching import Launch

    arguments = {
        "data": (out / "scenes").resolve(),
        "weights": Path(weights).resolve() if Path(weights).exists() else weights,
        "score": score,
        "seconds": seconds,
    }
    with Launch("demo.launch", arguments, master, out / "demo.log") as launch:
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


def _table(measured: Measured) -> Table:
    from rich import box
    from rich.table import Table

    from lds_cli.demo_report import summary

    table = Table(title="What a listener got", title_justify="left", box=box.SIMPLE, show_header=False)
    for name, value, note in summary(measured):
        table.add_row(name, f"[bold]{value}[/]", f"[dim]{note}[/]")
    return table
