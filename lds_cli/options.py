"""Arguments and options that several commands have alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Inputs = Annotated[
    list[Path], typer.Argument(help="Images and folders of images; or one video; or one ROS 1 bag.", show_default=False)
]
Topic = Annotated[str | None, typer.Option(help="A bag's image topic.", show_default="the only one")]

Weights = Annotated[
    str, typer.Argument(help="Shipped weights by name, a .safetensors file or a run's folder.", show_default=False)
]
SingleViewWeights = Annotated[
    str, typer.Option(help="Shipped weights by name, a file, or a run's folder; of a single-view model.")
]
RegionOfImage = Annotated[
    str | None, typer.Option("--region", help="Where to look: 'x y width height', pixels.", show_default="everywhere")
]
Slots = Annotated[
    int | None, typer.Option(min=2, help="Give the model another K.", metavar="K", show_default="as in training")
]

DatasetPath = Annotated[Path, typer.Argument(metavar="PATH", help="The dataset's own folder.", show_default=False)]
Split = Annotated[str, typer.Option(help="Which split of it.")]
Limit = Annotated[
    int | None, typer.Option(min=1, help="Take only the first N scenes.", metavar="N", show_default="all")
]

Robot = Annotated[str | None, typer.Option(help="A name from config/robots, or a YAML file.", show_default=False)]
