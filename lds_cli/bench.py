"""`lds bench`: speed and memory, medians and ratios of one run. Run it on a quiet machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lds_cli.bench_rows import show

app = typer.Typer(help="Measure speed and memory: medians and ratios of one run.", no_args_is_help=True)

JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the rows to this file as well.")]


@app.command()
def train(json: JsonFile = None) -> None:
    """Training steps against the plain float32 formulation of the same model, and what LDS and data add.

    Example: lds bench train --json train.json
    """
    from lds_cli.train import ready_memory

    ready_memory()
    from lds_cli.bench_train import train_rows

    show(train_rows(), json)


@app.command()
def data(json: JsonFile = None) -> None:
    """Packed images: memory and time to make a batch.

    Example: lds bench data
    """
    from lds_cli.bench_train import data_rows

    show(data_rows(), json)


@app.command()
def perception(json: JsonFile = None) -> None:
    """One image through the model, and through the running node, camera stamp to label message.

    Example: lds bench perception --json perception.json
    """
    from lds_cli.bench_perception import perception_rows

    show(perception_rows(), json)


@app.command()
def capture(json: JsonFile = None) -> None:
    """Two scenes recorded by the simulated rig at its usual speed, and storing a view.

    Example: lds bench capture --json capture.json
    """
    from lds_cli.bench_capture import capture_rows

    show(capture_rows(), json)


@app.command("all")
def everything(json: JsonFile = None) -> None:
    """All of them, one after another.

    Example: lds bench all --json bench.json
    """
    from lds_cli.train import ready_memory

    ready_memory()
    from lds_cli.bench_capture import capture_rows
    from lds_cli.bench_perception import perception_rows
    from lds_cli.bench_train import data_rows, train_rows

    show([*data_rows(), *train_rows(), *capture_rows(), *perception_rows()], json)
