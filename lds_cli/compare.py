"""`lds compare`: models with and without the LDS prior side by side, as in the paper's tables and figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lds_cli.console import console, made_folder, print_written

if TYPE_CHECKING:
    from rich.table import Table

    from lds_models.comparison import Comparison

SHOWN = (
    "mse", "miou", "ari", "fg_ari", "miou_posterior", "sim", "duplicate_rate", "duplicate_rate_posterior",
    "duplicate_rate_latent", "inference_gap",
)  # fmt: skip


def compare(
    folders: Annotated[
        list[Path], typer.Argument(help="Folders that `lds eval` has written, at least two.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("runs/compare"),
) -> None:
    """Compare models trained without and with the LDS prior, on the same images: the paper's tables and figures.

    Folders are paired by what was trained: same model, K and seed, evaluated on the same images, one without and one
    with LDS. Give several seeds, models and datasets at once for one page of all. Runs with LDS at other settings
    (lds_std, num_slots) make an ablation. Evaluate with --inference-gap for Table 2.

    Writes report.html, comparison.json, measures.csv and figures/.

    Example: lds compare runs/eval/monet_base runs/eval/monet_lds --out runs/compare
    """
    from lds_models.comparison import compare as run

    made_folder(out)
    with console.status(f"Comparing {len(folders)} evaluations"):
        comparison = run(folders, out)
    console.print(_table(comparison))
    for warning in comparison.warnings:
        console.print(f"[yellow]warning[/] {warning}", soft_wrap=True)
    print_written(comparison.page)


def _table(comparison: Comparison) -> Table:
    from rich import box
    from rich.table import Table

    from lds_models.comparison.wording import seeds_words, signed_spread

    several = any(len(one.group.seeds) > 1 for one in comparison.compared)
    caption = "±: one standard deviation over the seeds" if several else None
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, caption=caption, caption_justify="left")
    table.add_column("", no_wrap=True)
    for heading in ("without", "with LDS", "difference", ""):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    colours = {"better": "green", "worse": "red", "unclear": "dim"}
    for one in comparison.compared:
        table.add_row(f"[bold]{one.group.label} on {one.group.data}[/], {seeds_words(one.group)}")
        for name in SHOWN:
            if name in one.contrasts:
                contrast = one.contrasts[name]
                spec = contrast.metric.spec
                means = (f"{contrast.control.mean:{spec}}", f"{contrast.lds.mean:{spec}}")
                difference = signed_spread(contrast.difference, spec)
                colour = colours[contrast.verdict]
                table.add_row(f"  {contrast.metric.label}", *means, difference, f"[{colour}]{contrast.verdict}[/]")
    return table
