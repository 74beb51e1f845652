"""`lds weights`: the weights that come with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lds_cli.console import console

app = typer.Typer(help="List, show and publish trained weights.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Shipped weights by name, a .safetensors file or a run's folder.")]


@app.command("list")
def list_weights() -> None:
    """List the weights that come with the package.

    Example: lds weights list
    """
    from rich.table import Table

    from lds_models.weights import load_weights, shipped_names

    table = Table("name", "model", "slots", "mIoU", "on", box=None, pad_edge=False)
    for name in shipped_names():
        loaded = load_weights(name)
        measured = loaded.card.get("metrics") or [{}]
        miou = (measured[0].get("metrics", {}).get("miou") or {}).get("mean")
        shown = "" if miou is None else f"{miou:.3f}"
        table.add_row(name, loaded.model.config.name, str(loaded.model.num_slots), shown, measured[0].get("data", ""))
    console.print(table)


@app.command()
def show(weights: Name) -> None:
    """Show what a weights file says of itself: data, training, metrics.

    Example: lds weights show monet_lds_table
    """
    from lds_models.weights import load_weights

    loaded = load_weights(weights)
    console.print(f"[bold]{loaded.name}[/]  {loaded.path}\ndigest {loaded.digest}")
    console.print_json(data=loaded.card)


@app.command()
def path(weights: Name) -> None:
    """Print the file of weights, for other programs.

    Example: lds weights path monet_lds_table
    """
    from lds_models.weights import find_weights

    print(find_weights(weights))


@app.command()
def publish(
    run: Annotated[str, typer.Argument(help="The run's folder.", show_default=False)],
    name: Annotated[str, typer.Argument(help="What the weights will be called.", show_default=False)],
    evaluation: Annotated[
        list[Path], typer.Option("--eval", help="A folder that `lds eval` of this run wrote; may be repeated.")
    ],
    notes: Annotated[str, typer.Option(help="Known failures and what else a user should know.")] = "",
    min_confidence: Annotated[
        float | None, typer.Option(min=0, max=1, help="Perception takes less sure objects for background.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write to.", show_default="the package's own")] = None,
) -> None:
    """Put a run's weights, with their measured metrics in the card, among those that come with the package.

    Example: lds weights publish runs/table monet_lds_table --eval runs/table/eval
    """
    from lds_models.model_card import publish as write
    from lds_models.weights import SHIPPED

    deduplication = {} if min_confidence is None else {"min_confidence": min_confidence}
    file = write(run, evaluation, name, notes, out or SHIPPED, deduplication)
    console.print(f"[green]Wrote[/] {file} and its card beside it", soft_wrap=True)
