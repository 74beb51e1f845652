"""`lds data drop` and `lds data restore`: leave scenes out of a dataset, and bring them back."""

from __future__ import annotations

from typing import Annotated

import typer

from lds_cli.data_tables import print_lines
from lds_cli.options import DatasetPath

Scenes = Annotated[
    list[str], typer.Argument(metavar="SCENE...", help="Names as `lds data check` tells them.", show_default=False)
]


def drop(
    path: DatasetPath,
    scenes: Scenes,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; kept with what was dropped.")] = "",
) -> None:
    """Leave scenes out of a recorded or synthesised dataset: one that is damaged, or that shows your hand.

    Nothing is deleted: their files go to the folder dropped/ in the dataset, and `lds data restore` brings them back.
    Their numbers are not used again. A scene whose file is lost is taken off dataset.json. If this is interrupted,
    give the same command again.

    Example: lds data drop data/cubes scene_000007 --reason "my hand is in it"
    """
    from capture.storage.dropping import drop_scenes

    drop_scenes(path, scenes, reason)
    told = f"Dropped {', '.join(scenes)}; what there was is kept in {path / 'dropped'}."
    print_lines([f"{told} To bring back: lds data restore {path} {' '.join(scenes)}"], "[green]done[/]")


def restore(path: DatasetPath, scenes: Scenes) -> None:
    """Bring back scenes that were dropped, into the splits that they were in. If it is interrupted, give it again.

    A scene file that lies in the dataset and is not in dataset.json is listed there.

    Example: lds data restore data/cubes scene_000007
    """
    from capture.storage.dropping import restore_scenes

    restore_scenes(path, scenes)
    print_lines([f"{', '.join(scenes)}: again in {path}"], "[green]done[/]")
