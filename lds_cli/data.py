"""`lds data`: make, check and look at datasets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lds_cli.console import console, print_error, progress_bar

if TYPE_CHECKING:
    from rich.table import Table

    from datasets.check import Findings

app = typer.Typer(help="Make, check and look at datasets.", no_args_is_help=True)

DatasetPath = Annotated[Path, typer.Argument(metavar="PATH", help="The dataset's own folder.", show_default=False)]
Split = Annotated[str | None, typer.Option(help="Only this split (train, test, ...).", show_default="all splits")]

MAX_SHOWN = 20  # problems or notes that `check` prints


@app.command()
def synth(
    kind: Annotated[str, typer.Argument(help="What to synthesise: table_cubes.", show_default=False)],
    out: Annotated[Path, typer.Argument(help="Folder to write the scenes to.", show_default=False)],
    scenes: Annotated[int, typer.Option(min=1, help="How many scenes.")] = 100,
    views: Annotated[int, typer.Option(min=1, help="Views of each scene.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same scenes.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes that render.")] = os.cpu_count() or 1,
    size: Annotated[int, typer.Option(min=8, max=2048, help="Height and width of the images, pixels.")] = 64,
) -> None:
    """Synthesise a dataset with masks, depth and poses. An interrupted run goes on when it is started again.

    Example: lds data synth table_cubes /tmp/table --scenes 200 --views 10 --seed 1
    """
    from datasets.scene import DatasetError
    from datasets.synthesis import SYNTHESISERS

    if kind not in SYNTHESISERS:
        raise typer.BadParameter(f"there is no '{kind}'; choose from {', '.join(SYNTHESISERS)}", param_hint="KIND")
    if (out / "dataset.json").exists():
        raise DatasetError(f"{out}: already holds a finished dataset; choose another folder")
    with progress_bar(f"Rendering {kind}", scenes) as progress:
        SYNTHESISERS[kind](out, scenes, views, seed, workers, size, progress)
    console.print(f"[green]Wrote[/] {scenes} scenes. Look at them: lds data view {out}", soft_wrap=True)


@app.command()
def check(path: DatasetPath, split: Split = None) -> None:
    """Read every scene and prove that the dataset is sound. Exits with 1 if it is not.

    Looks for unreadable or inconsistent files, blank and repeated images, poses that are none, and object ids that
    differ between views or disagree with the objects' projected positions.

    Example: lds data check shared/data/clevr_mv
    """
    from datasets.check import check_dataset
    from datasets.loading import open_dataset

    dataset = open_dataset(path, split)
    with progress_bar(f"Checking {dataset.name}", len(dataset)) as progress:
        findings = check_dataset(dataset, progress)
    console.print(_statistics(findings))
    _print_lines(findings.notes, "[yellow]note[/]")
    _print_lines(findings.problems, "[red]problem[/]")
    if findings.problems:
        print_error(f"{path} is {findings.verdict}")
        raise typer.Exit(1)
    console.print(f"[green]{dataset.name} is {findings.verdict}.[/]")


@app.command()
def info(path: DatasetPath, split: Split = None) -> None:
    """Say what a dataset holds, from its index and its first scene.

    Example: lds data info shared/data/clevr_mv --split test
    """
    from datasets.loading import open_dataset

    dataset = open_dataset(path, split)
    scene = dataset[0]
    height, width = scene.image_size
    known = ("T_world_camera", "K", "distortion", "masks", "amodal_masks", "depth", "stamps")
    table = _table(dataset.name)
    table.add_row("format", f"{dataset.format} (kind {dataset.kind})")
    table.add_row("splits", ", ".join(f"{name} {count}" for name, count in dataset.splits.items()))
    table.add_row("scenes", f"{len(dataset)}" + (f" in {split}" if split else ""))
    size = f"{scene.num_views} views of {width} x {height}, {scene.num_objects} objects"
    table.add_row("first scene", f"{scene.name}: {size}")
    table.add_row("has", ", ".join(["images", *(name for name in known if getattr(scene, name) is not None)]))
    table.add_row("digest", dataset.digest())
    console.print(table)


@app.command()
def view(
    path: DatasetPath,
    out: Annotated[Path, typer.Option(help="The picture to write, PNG.")] = Path("sheet.png"),
    split: Split = None,
    scenes: Annotated[int, typer.Option(min=1, max=200, help="Scenes to show, spread evenly over the dataset.")] = 6,
    views: Annotated[int, typer.Option(min=1, max=100, help="Views to show of each scene.")] = 10,
) -> None:
    """Draw a contact sheet: scenes as rows, views as columns, and the masks under the images.

    Example: lds data view shared/data/dolphin --split test --out dolphin.png
    """
    from datasets.contact_sheet import save_contact_sheet
    from datasets.loading import open_dataset

    dataset = open_dataset(path, split)
    shown = save_contact_sheet(dataset, out, scenes, views)
    console.print(f"[green]Wrote[/] {out}: {shown} of {len(dataset)} scenes of {dataset.name}", soft_wrap=True)


@app.command()
def pack(
    path: DatasetPath,
    out: Annotated[Path, typer.Argument(help="The file to write, .h5.", show_default=False)],
    split: Annotated[str, typer.Option(help="Which split of it.")] = "train",
    size: Annotated[int, typer.Option(min=8, max=2048, help="Height and width of the packed images, pixels.")] = 64,
) -> None:
    """Pack a split into one file, small enough to carry to the machine that trains: `lds train ... data.path=FILE`.

    Training packs datasets by itself where they lie; this is for taking one elsewhere.

    Example: lds data pack shared/data/clevr_mv clevr_train.h5 --split train
    """
    from datasets.loading import open_dataset
    from datasets.packing import write_packed

    dataset = open_dataset(path, split)
    with progress_bar(f"Packing {dataset.name}", len(dataset)) as progress:
        write_packed(out, dataset, str(path), split, dataset.digest(), size, progress)
    console.print(f"[green]Wrote[/] {out}: {len(dataset)} scenes, {out.stat().st_size / 1e6:.1f} MB")


def _statistics(findings: Findings) -> Table:
    import numpy as np

    table = _table("Statistics")
    table.add_row("scenes read", str(findings.scenes))
    table.add_row("views", _histogram(findings.views))
    table.add_row("images", ", ".join(f"{width} x {height}" for height, width in findings.image_sizes) or "none")
    table.add_row("objects", _histogram(findings.objects))
    if findings.visible_pixels:
        low, median, high = np.quantile(findings.visible_pixels, [0, 0.5, 1])
        table.add_row("visible pixels", f"{low:.0f} to {high:.0f} an object and view, median {median:.0f}")
        table.add_row("fully hidden", f"{findings.hidden} times an object in a view")
    if findings.centre_errors:
        median, high = np.quantile(findings.centre_errors, [0.5, 1])
        table.add_row("positions on masks", f"{median:.2f} px off (median), {high:.2f} px at most")
    if findings.identity_views:
        table.add_row("ids agree", f"in {findings.identity_agrees} of {findings.identity_views} views, by position")
    return table


def _histogram(counts: dict[int, int]) -> str:
    """`3 (in 12), 4 (in 8 scenes)`; only the number where all scenes have the same."""
    if len(counts) < 2:
        return str(next(iter(counts), "none"))
    return ", ".join(f"{value} (in {scenes})" for value, scenes in sorted(counts.items())) + " scenes"


def _table(title: str) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 1), show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _print_lines(lines: list[str], label: str) -> None:
    from rich.markup import escape

    for line in lines[:MAX_SHOWN]:
        console.print(f"{label} {escape(line)}", soft_wrap=True)
    if len(lines) > MAX_SHOWN:
        console.print(f"... and {len(lines) - MAX_SHOWN} more")
