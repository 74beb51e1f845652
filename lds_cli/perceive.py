"""`lds perceive`: whether one's own camera suits a model."""

from __future__ import annotations

from typing import Annotated

import typer

from lds_cli.console import console, print_error, progress_bar
from lds_cli.picture_options import Inputs, SingleViewWeights, Topic

app = typer.Typer(help="See whether a camera's pictures suit a model.", no_args_is_help=True)


@app.callback()
def perceive() -> None:
    """See whether a camera's pictures suit a model."""


@app.command()
def check(
    inputs: Inputs,
    weights: SingleViewWeights = "monet_lds_table",
    topic: Topic = None,
    most: Annotated[int, typer.Option(min=1, help="Look at no more pictures than this, evenly chosen.")] = 50,
) -> None:
    """Say whether pictures of your camera are such as a model was trained on, and what to do where they are not.

    Looks at resolution, exposure and sharpness, at how well the model draws the pictures (badly, where it does not know
    what they show), and at whether it finds anything. Exits with 1 where something is wrong.

    Example: lds perceive check photos/ --weights monet_lds_table
    """
    import numpy as np
    from rich.table import Table

    from lds_models.weights import load_weights
    from perception.segmenter import Segmenter
    from perception.sources import open_source
    from perception.suitability import findings, reconstruction_error, usual_error

    source = open_source(inputs, topic)
    loaded, segmenter = load_weights(weights), Segmenter(weights, device="cpu")
    every, pictures = max(1, -(-source.count // most)), []
    with progress_bar("Looking", source.count) as progress:
        for number, frame in enumerate(source.frames()):
            progress(1)
            if number % every:
                continue
            try:
                image = frame.read()
            except ValueError as error:
                print_error(f"{frame.name} was left out: {error}")
                continue
            error = reconstruction_error(loaded.model, image)
            pictures.append(_measured(image, error, len(segmenter.segment(image).objects)))
    if not pictures:
        print_error("none of the pictures could be read")
        raise typer.Exit(1)
    usual = usual_error(loaded.card)
    table = Table("", "median", "from", "to", title=f"{len(pictures)} pictures", title_justify="left", box=None)
    for name in ("brightness", "white", "black", "sharpness", "error", "objects"):
        values = np.array([getattr(picture, name) for picture in pictures], float)
        numbers = [np.nanmedian(values), np.nanmin(values), np.nanmax(values)] if np.isfinite(values).any() else []
        table.add_row(name, *(f"{number:.3g}" for number in numbers))
    console.print(table)
    problems = findings(pictures, loaded.model.image_size, usual)
    for problem in problems:
        console.print(f"[yellow]-[/] {problem}", soft_wrap=True)
    if problems:
        raise typer.Exit(1)
    console.print(f"[green]The pictures suit {loaded.name}[/]")


def _measured(image, error: float, objects: int):
    from capture.picture import brightness, clipped_shares, sharpness
    from perception.suitability import Picture

    white, black = clipped_shares(image)
    return Picture(image.shape[:2], brightness(image), white, black, sharpness(image), error, objects)
