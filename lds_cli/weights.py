"""`lds weights`: the weights that come with the package."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lds_cli.console import console, print_written, progress_bar
from lds_cli.options import Slots, Weights

if TYPE_CHECKING:
    from perception.deduplication import DeduplicationSettings
    from perception.quality import Labelled
    from perception.segmenter import Segmenter

app = typer.Typer(
    help="List, show and publish trained weights.", epilog="Example: lds weights list", no_args_is_help=True
)

LABELLED_SCENES = 50  # that de-duplication is chosen on, and measured on


@app.command("list")
def list_weights() -> None:
    """List the weights that come with the package, with their mIoU on scenes not trained on.

    Masks are the mixing probabilities, and each pixel's posterior, which tells slots by colour as well.

    Example: lds weights list
    """
    from rich.table import Table

    from lds_models.weights import load_weights, shipped_names

    table = Table("name", "model", "slots", "mIoU", "posterior", "on", box=None, pad_edge=False)
    for name in shipped_names():
        loaded = load_weights(name)
        measured = (loaded.card.get("metrics") or [{}])[0]
        mious = [_mean(measured, name) for name in ("miou", "miou_posterior")]
        table.add_row(name, loaded.model.config.name, str(loaded.model.num_slots), *mious, measured.get("data", ""))
    console.print(table)


def _mean(measured: dict[str, Any], name: str) -> str:
    interval = measured.get("metrics", {}).get(name)
    return f"{interval['mean']:.3f}" if interval else ""


@app.command()
def show(weights: Weights) -> None:
    """Show what a weights file says of itself: data, training, metrics.

    Example: lds weights show monet_lds_table
    """
    from lds_models.weights import load_weights

    loaded = load_weights(weights)
    console.print(f"[bold]{loaded.name}[/]  {loaded.path}\ndigest {loaded.digest}")
    console.print_json(data=loaded.card)


@app.command()
def path(weights: Weights) -> None:
    """Print the file of weights, for other programs.

    Example: lds weights path monet_lds_table
    """
    from lds_models.weights import load_weights

    print(load_weights(weights).path)


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
    slots: Slots = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write to.", show_default="the package's own")] = None,
) -> None:
    """Put a run's weights, with their measured metrics in the card, among those that come with the package.

    The first --eval must be of the kind of scenes trained on, not of these themselves, with masks: `lds perceive check`
    compares pictures with it, and the card tells what perception makes of the last scenes of it.

    Example: lds weights publish runs/table my_table --eval runs/table/eval --validation /tmp/table
    """
    from lds_models.model_card import publish as write
    from lds_models.weights import SHIPPED, load_weights
    from perception.segmenter import Segmenter
    from perception.thresholds import GRID

    loaded = load_weights(run, slots)
    segmenter = Segmenter(loaded, device="cpu", poses=True)
    if validation is not None:
        segmenter.settings = _chosen_deduplication(segmenter, validation)
    perception = _measured_perception(segmenter, evaluation[0])
    chosen = {} if validation is None else {name: getattr(segmenter.settings, name) for name in GRID}
    file = write(loaded, evaluation, name, notes, out or SHIPPED, chosen, perception)
    print_written(file, " and its card beside it")


def _chosen_deduplication(segmenter: Segmenter, validation: Path) -> DeduplicationSettings:
    """Thresholds that suit the weights on images of a dataset."""
    from perception.thresholds import choose_settings

    labelled = _labelled_slots(segmenter, validation, "train", "Choosing de-duplication")
    settings, quality = choose_settings(labelled.slots, labelled.truths)
    console.print(f"{settings}: mIoU {quality.miou:.3f}, the right number in {quality.right_count:.0%}")
    return settings


def _measured_perception(segmenter: Segmenter, evaluation: Path) -> dict[str, Any]:
    """What perception makes of the weights on the data of an evaluation."""
    from datasets.loading import open_dataset
    from datasets.scene import DatasetError
    from lds_models.results import finite, read_evaluation
    from perception.quality import before_and_after

    measured = read_evaluation(evaluation)
    data, split = measured["data"], measured["split"]
    if open_dataset(data, split).digest() != measured["data_digest"]:
        raise DatasetError(f"{data}: has changed since {evaluation} was measured on it; run `lds eval` again")
    labelled = _labelled_slots(segmenter, data, split, "Measuring perception")
    found = before_and_after(labelled, segmenter.settings)
    told = {what: {name: asdict(each) for name, each in quality.items()} for what, quality in found.items()}
    return {"data": f"{data}, split {split}", "images": len(labelled.truths), **finite(told)}


def _labelled_slots(segmenter: Segmenter, data: str | Path, split: str, doing: str) -> Labelled:
    """Of the last scenes of a split."""
    from datasets.loading import open_dataset
    from perception.quality import labelled_slots

    dataset = open_dataset(data, split)
    rows = range(len(dataset))[-LABELLED_SCENES:]
    with progress_bar(doing, len(rows)) as progress:
        return labelled_slots(segmenter, (dataset[row] for row in rows), progress)
