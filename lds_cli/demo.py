"""`lds demo`: record scenes, segment them, and make a page that shows how well."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lds_cli.console import console, noted_table
from lds_cli.scoring import run_scored

if TYPE_CHECKING:
    from perception.score import Measured

SEED = 2026  # no weights are trained on scenes of this seed
NODES = ["/camera", "/segmentation", "/scorer"]
WORLD = "world"  # the frame of the recorded poses


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
    from lds_cli.demo_report import summary, write_report
    from lds_cli.launching import choose_master
    from lds_cli.recording import record_simulated
    from lds_models.model import MultiViewModel
    from lds_models.weights import load_weights

    # What cannot work is told before anything is recorded: weights, and nodes that run already.
    needs_poses = isinstance(load_weights(weights).model, MultiViewModel)
    choose_master(NODES)
    recording = _unused(out / "recording")
    console.print(f"Recording {scenes} scenes of {views} views with the simulated arm and camera", soft_wrap=True)
    record_simulated(recording, scenes, views, SEED, "lds demo")
    with tempfile.TemporaryDirectory() as folder:
        score, log, world = Path(folder), out / "perception.log", WORLD if needs_poses else ""
        measured = run_nodes(recording, log, weights, choose_master(NODES), score, seconds, world)
        facts = summary(recording, measured)
        sheet, page = write_report(facts, measured, score, weights, out)
    console.print(noted_table(facts, "What a listener got"))
    for name, path in (("Recording", recording), ("Overlays", sheet), ("Report", page)):
        console.print(f"[green]{name:9}[/] {path}", soft_wrap=True)


def _unused(path: Path) -> Path:
    """The first of path_1, path_2, ... that does not exist: what an earlier demo recorded stays."""
    return next(free for n in itertools.count(1) if not (free := path.with_name(f"{path.name}_{n}")).exists())


def run_nodes(
    data: Path, log: Path, weights: str, master: str, score: Path, seconds: float, world: str = ""
) -> Measured:
    """Play the dataset `data` to the segmentation node, scored into the folder `score`; `world`: see the node's.

    Raises:
        NothingMeasured: no labels came, or the launch did not end.
        LaunchError: ROS is not on the path.
    """
    from lds_models.weights import find_weights

    arguments = {"data": data.resolve(), "weights": find_weights(weights).resolve(), "world": world}
    console.print(
        f"Playing and segmenting for {seconds:g} s. To look on, in another shell here:\n"
        f"  ROS_MASTER_URI={master} ./run shell -c 'rostopic echo -n1 /segmentation/objects'",
        soft_wrap=True,
    )
    return run_scored("demo.launch", arguments, master, log, score, seconds)
