"""`lds data convert`: ROS bags and published datasets become recorded ones."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lds_cli.console import console, print_written, progress_bar
from lds_cli.data_tables import plain_table

if TYPE_CHECKING:
    from datasets.rosbag.convert import Conversion

TOPICS, VIEWS = "Topics and frames", "Views and scenes"
Text = str | None
FOUND = "found in the bag"


def convert(
    source: Annotated[
        Path, typer.Argument(help="A ROS 1 bag, a folder of bags, or a dataset's folder or file.", show_default=False)
    ],
    out: Annotated[Path, typer.Argument(help="Folder to write the dataset to.", show_default=False)],
    image: Annotated[
        Text, typer.Option(help="Topic of the images.", show_default=FOUND, rich_help_panel=TOPICS)
    ] = None,
    camera_info: Annotated[
        Text, typer.Option(help="Topic of the intrinsics.", show_default=FOUND, rich_help_panel=TOPICS)
    ] = None,
    depth: Annotated[
        Text, typer.Option(help="Topic of depth images, aligned to the images.", rich_help_panel=TOPICS)
    ] = None,
    world: Annotated[
        Text,
        typer.Option(
            help="Frame that poses are told in: on the table, z up.",
            show_default="world, or tf's root",
            rich_help_panel=TOPICS,
        ),
    ] = None,
    frame: Annotated[
        Text, typer.Option(help="The camera's optical frame.", show_default="the images' own", rich_help_panel=TOPICS)
    ] = None,
    marker: Annotated[
        Text, typer.Option(help="Topic of which each message begins a new scene.", rich_help_panel=TOPICS)
    ] = None,
    every: Annotated[
        float | None,
        typer.Option(min=0, help="Seconds between views.", show_default="by motion", rich_help_panel=VIEWS),
    ] = None,
    min_distance: Annotated[
        float, typer.Option(min=0, help="Metres from view to view, or", rich_help_panel=VIEWS)
    ] = 0.03,
    min_angle: Annotated[float, typer.Option(min=0, help="degrees from view to view.", rich_help_panel=VIEWS)] = 5.0,
    max_speed: Annotated[
        float, typer.Option(min=0, help="Metres a second; a faster camera is not still.", rich_help_panel=VIEWS)
    ] = 0.01,
    max_turn: Annotated[float, typer.Option(min=0, help="Degrees a second; likewise.", rich_help_panel=VIEWS)] = 1.0,
    scene_gap: Annotated[
        float, typer.Option(min=0, help="Seconds without an image that end a scene.", rich_help_panel=VIEWS)
    ] = 10.0,
    tf_gap: Annotated[
        float, typer.Option(min=0, help="Seconds that tf may be silent around an image.", rich_help_panel=VIEWS)
    ] = 0.25,
) -> None:
    """Make a recorded dataset (one HDF5 file a scene) of a ROS 1 bag, or of a dataset in another format. Needs no ROS.

    The options are for bags with images, camera_info and tf. There a view is an image at which the camera stood still,
    elsewhere than in the view before. Its pose is interpolated from tf at the image's stamp, never extrapolated. What
    was left out is counted by reason. Other datasets keep their splits and all that they hold.

    Example: lds data convert table.bag /tmp/table --world base_link --scene-gap 5
    """
    from datasets.hdf5_dataset import hdf5_files
    from datasets.loading import find_loader
    from datasets.rosbag.convert import BY_MOTION, FOUND_OUT, Names, convert_bag
    from datasets.rosbag.selection import Rules

    names = Names(image, camera_info, depth, world, frame, marker)
    rules = Rules(every, min_distance, math.radians(min_angle), max_speed, math.radians(max_turn), scene_gap)
    if find_loader(source) or hdf5_files(source):
        if (names, rules) != (FOUND_OUT, BY_MOTION):
            raise typer.BadParameter("is a dataset, and the options are for bags: leave them out", param_hint="SOURCE")
        _convert_dataset(source, out)
    else:
        with console.status(f"Converting {source.name}"):
            _tell(convert_bag(source, out, names, rules, tf_gap))
    print_written(out, f". Prove it: lds data check {shlex.quote(str(out))}")


def _convert_dataset(source: Path, out: Path) -> None:
    from datasets.conversion import convert_dataset
    from datasets.loading import open_dataset

    with progress_bar(f"Converting {source.name}", len(open_dataset(source))) as progress:
        splits = convert_dataset(source, out, progress)
    table = plain_table("Converted")
    table.add_row("scenes", ", ".join(f"{name} {count}" for name, count in splits.items()))
    console.print(table)


def _tell(done: Conversion) -> None:
    table = plain_table("Converted")
    for name in ("image", "camera_info", "depth", "world", "frame", "marker"):
        table.add_row(name, getattr(done.used, name) or "none")
    table.add_row("scenes", f"{len(done.scenes)}, of {', '.join(map(str, done.scenes[:10]))} views")
    table.add_row("views", str(sum(done.scenes)))
    for reason, count in done.left_out.most_common():
        table.add_row("left out", f"{count} images: {reason}")
    console.print(table)
