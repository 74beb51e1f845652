"""What the commands that look at pictures in files are asked alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Inputs = Annotated[
    list[Path], typer.Argument(help="Images and folders of images; or one video; or one ROS 1 bag.", show_default=False)
]
SingleViewWeights = Annotated[
    str, typer.Option(help="Shipped weights by name, a file, or a run's folder; of a single-view model.")
]
Topic = Annotated[str | None, typer.Option(help="A bag's image topic.", show_default="the only one")]
