"""`lds bench`: speed and memory, medians and ratios of one run. Run it on a quiet machine."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lds_cli.bench_perception import MODELS as PERCEIVING
from lds_cli.bench_perception import perception_rows
from lds_cli.bench_rows import show
from lds_cli.bench_train import MODELS, data_rows, train_rows
from lds_cli.console import made_folder

RIG_WEIGHTS = "monet_lds_table"

app = typer.Typer(help="Measure speed and memory: medians and ratios of one run.", no_args_is_help=True)


def _ready(file: Path | None) -> Path | None:
    """Make the file's folder now, so that a bad one is not found out after minutes."""
    if file:
        made_folder(file.parent, "--json")
    return file


JsonFile = Annotated[
    Path | None, typer.Option("--json", dir_okay=False, callback=_ready, help="Write the rows to this file as well.")
]


class Against(StrEnum):
    REFERENCE = "reference"
    NOTHING = "nothing"


class Device(StrEnum):
    CPU = "cpu"
    CUDA = "cuda"


@app.command()
def train(
    against: Annotated[
        Against, typer.Option(help="The plain float32 formulation of each model, from the same code base, or nothing.")
    ] = Against.REFERENCE,
    models: Annotated[str, typer.Option(help="Which, separated by commas.")] = ",".join(MODELS),
    device: Annotated[Device, typer.Option(help="On cuda, with the LDS paper's batches.")] = Device.CPU,
    rounds: Annotated[int, typer.Option(min=1, help="Measured steps of each, taken in turns.")] = 7,
    json: JsonFile = None,
) -> None:
    """Training steps with LDS at the paper's sizes, and what LDS and data add to MONet's.

    Each step runs in a process of its own, in turns with the one it is compared with; memory is its own.

    Example: lds bench train --against reference --models iodine,mulmon --json train.json
    """
    show(list(train_rows(_chosen(models, MODELS), against is Against.REFERENCE, device.value, rounds)), json)


@app.command()
def data(json: JsonFile = None) -> None:
    """Packed images: memory and time to make a batch.

    Example: lds bench data
    """
    show(data_rows(), json)


@app.command()
def perception(
    models: Annotated[str, typer.Option(help="Which, separated by commas.")] = ",".join(PERCEIVING),
    minutes: Annotated[float, typer.Option(min=0.1, help="How long the node of each is measured.")] = 0.5,
    json: JsonFile = None,
) -> None:
    """One image through each model, and 30 images a second through the running node, camera stamp to label message.

    The reference is the model as the literature writes it, in eager float32 torch.

    Example: lds bench perception --models monet --minutes 10 --json perception.json
    """
    show(perception_rows(_chosen(models, PERCEIVING), 60 * minutes), json)


@app.command()
def capture(json: JsonFile = None) -> None:
    """Two scenes recorded by the simulated rig at its usual speed, and storing a view.

    Example: lds bench capture --json capture.json
    """
    from lds_cli.bench_capture import capture_rows

    show(capture_rows(), json)


@app.command()
def rig(
    minutes: Annotated[float, typer.Option(min=0.1, help="How long, of each.")] = 1,
    weights: Annotated[str, typer.Option(help="Shipped weights by name, a file, or a run's folder.")] = RIG_WEIGHTS,
    json: JsonFile = None,
) -> None:
    """Perception on the simulated rig while its arm moves: rates, latencies, ids that changed, places in space.

    Once with depth, and once without, where several views tell where objects stand.

    Example: lds bench rig --minutes 10 --json rig.json
    """
    from lds_cli.bench_rig import rig_rows

    show(rig_rows(60 * minutes, weights), json)


@app.command("all")
def everything(json: JsonFile = None) -> None:
    """All of them, one after another.

    Example: lds bench all --json bench.json
    """
    from lds_cli.bench_capture import capture_rows
    from lds_cli.bench_rig import rig_rows

    show([*data_rows(), *train_rows(), *capture_rows(), *perception_rows(), *rig_rows(60, RIG_WEIGHTS)], json)


def _chosen(models: str, known: Sequence[str]) -> list[str]:
    """The models of a list such as `monet,iodine`."""
    chosen = models.split(",")
    if unknown := set(chosen) - set(known):
        raise typer.BadParameter(f"there is no {', '.join(sorted(unknown))}; choose from {', '.join(known)}")
    return chosen
