"""`lds weights`: the weights that come with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lds_cli.console import console, made_folder, progress_bar

app = typer.Typer(help="List, show and publish trained weights.", no_args_is_help=True)

VALIDATION_SCENES = 30

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
def export(
    weights: Name,
    out: Annotated[Path, typer.Option(help="Folder to write to.", show_default=False)],
    to: Annotated[str, typer.Option(help="openvino.")] = "openvino",
) -> None:
    """Write a model for other programs: OpenVINO files (.xml, .bin), and model.json, which says what goes in and out.

    Example: lds weights export monet_lds_table --out /tmp/monet
    """
    from lds_models.weights import load_weights
    from perception.export import export_openvino

    if to != "openvino":
        raise typer.BadParameter(f"there is no '{to}', only openvino", param_hint="--to")
    for file in export_openvino(load_weights(weights), made_folder(out)):
        console.print(f"[green]Wrote[/] {file}", soft_wrap=True)


@app.command()
def publish(
    run: Annotated[str, typer.Argument(help="The run's folder.", show_default=False)],
    name: Annotated[str, typer.Argument(help="What the weights will be called.", show_default=False)],
    evaluation: Annotated[
        list[Path], typer.Option("--eval", help="A folder that `lds eval` of this run wrote; may be repeated.")
    ],
    notes: Annotated[str, typer.Option(help="Known failures and what else a user should know.")] = "",
    validation: Annotated[
        Path | None,
        typer.Option(
            help="A dataset with masks, not measured on: de-duplication is chosen on the end of its split 'train'.",
            show_default="perception's usual de-duplication",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write to.", show_default="the package's own")] = None,
) -> None:
    """Put a run's weights, with their measured metrics in the card, among those that come with the package.

    The first --eval must be of the kind of scenes trained on: `lds perceive check` compares pictures with it.

    Example: lds weights publish runs/table monet_lds_table --eval runs/table/eval --validation data/table
    """
    from lds_models.model_card import publish as write
    from lds_models.weights import SHIPPED

    deduplication = {} if validation is None else _chosen_deduplication(run, validation)
    file = write(run, evaluation, name, notes, out or SHIPPED, deduplication)
    console.print(f"[green]Wrote[/] {file} and its card beside it", soft_wrap=True)


def _chosen_deduplication(run: str, validation: Path) -> dict[str, float]:
    """Thresholds that suit the weights on images of a dataset."""
    from dataclasses import asdict

    from datasets.loading import open_dataset
    from perception.quality import labelled_slots
    from perception.segmenter import Segmenter
    from perception.thresholds import GRID, choose_settings

    dataset, segmenter = open_dataset(validation, "train"), Segmenter(run, device="cpu", poses=True)
    rows = range(len(dataset))[-VALIDATION_SCENES:]
    with progress_bar("Choosing de-duplication", len(rows)) as progress:
        slots, truths = labelled_slots(segmenter, (dataset[row] for row in rows), progress)
    settings, quality = choose_settings(slots, truths)
    chosen = {name: value for name, value in asdict(settings).items() if name in GRID}
    console.print(f"De-duplication {chosen}: mIoU {quality.miou:.3f}, the right number in {quality.right_count:.0%}")
    return chosen
