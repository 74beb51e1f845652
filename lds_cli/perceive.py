"""`lds perceive`: whether one's own camera suits a model, and how good what perception finds is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from lds_cli import perceive_score
from lds_cli.console import console, print_error, progress_bar
from lds_cli.options import Inputs, RegionOfImage, SingleViewWeights, Topic
from lds_cli.pictures import LOOKED_AT, is_looked_at, parsed_region, picture_of, problems

if TYPE_CHECKING:
    from rich.table import Table

    from perception.segmenter import Segmenter
    from perception.sources import Source
    from perception.suitability import Picture

app = typer.Typer(
    help="See whether a camera's pictures suit a model, and measure what perception finds.",
    epilog="Example: lds perceive check photos/",
    no_args_is_help=True,
)
app.command()(perceive_score.score)


@app.command()
def check(
    inputs: Inputs,
    weights: SingleViewWeights = "monet_lds_table",
    topic: Topic = None,
    region: RegionOfImage = None,
    most: Annotated[int, typer.Option(min=1, help="Look at no more pictures than this, evenly chosen.")] = LOOKED_AT,
) -> None:
    """Say whether pictures of your camera are such as a model was trained on, and what to do where they are not.

    Looks at resolution, exposure and sharpness, at how well the model draws the pictures (badly, where it does not know
    what they show), at whether it finds anything, and at whether it has slots for all of it. Exits with 1 where
    something is wrong.

    Example: lds perceive check photos/ --weights monet_lds_table --region "200 100 300 300"
    """
    from perception.segmenter import Segmenter
    from perception.sources import open_source

    source = open_source(inputs, topic)
    segmenter = Segmenter(weights, region=parsed_region(region), device="cpu")
    pictures = _looked_at(source, segmenter, most)
    if not pictures:
        print_error("none of the pictures could be read")
        raise typer.Exit(1)
    console.print(_measures(pictures))
    found = problems(pictures, segmenter)
    for problem in found:
        console.print(f"[yellow]-[/] {problem}", soft_wrap=True)
    if found:
        raise typer.Exit(1)
    console.print(f"[green]The pictures suit {segmenter.name}[/]")


def _looked_at(source: Source, segmenter: Segmenter, most: int) -> list[Picture]:
    """What was measured of the source's pictures, or of so many, evenly chosen; those that cannot be read are told."""
    pictures = []
    with progress_bar("Looking", source.count) as progress:
        for number, frame in enumerate(source.frames()):
            progress(1)
            if not is_looked_at(number, source.count, most):
                continue
            try:
                image = frame.read()
                pictures.append(picture_of(image, segmenter.segment(image), segmenter))
            except ValueError as error:
                print_error(f"{frame.name} was left out: {error}")
    return pictures


def _measures(pictures: Sequence[Picture]) -> Table:
    import numpy as np
    from rich.table import Table

    table = Table("", "median", "from", "to", title=f"{len(pictures)} pictures", title_justify="left", box=None)
    for name in ("brightness", "white", "black", "sharpness", "error", "objects"):
        values = np.array([getattr(picture, name) for picture in pictures], float)
        numbers = [np.nanmedian(values), np.nanmin(values), np.nanmax(values)] if np.isfinite(values).any() else []
        table.add_row(name, *(f"{number:.3g}" for number in numbers))
    return table
