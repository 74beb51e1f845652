"""`lds segment`: the objects of images, videos and ROS bags, without ROS."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lds_cli.console import console, print_error, print_written, progress_bar
from lds_cli.options import Inputs, RegionOfImage, SingleViewWeights, Topic
from lds_cli.pictures import is_looked_at, parsed_region, picture_of, problems

if TYPE_CHECKING:
    from perception.suitability import Picture


def segment(
    inputs: Inputs,
    weights: SingleViewWeights = "monet_lds_table",
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("runs/segment"),
    topic: Topic = None,
    track: Annotated[
        bool | None,
        typer.Option(
            "--track/--no-track",
            help="Let an object keep its id from picture to picture.",
            show_default="for videos and bags, not for images",
        ),
    ] = None,
    region: RegionOfImage = None,
    device: Annotated[str, typer.Option(help="auto: a GPU where there is one; cpu, cuda, cuda:1.")] = "auto",
) -> None:
    """Segment pictures into objects, as the node does with a camera's.

    Writes labels/ (16-bit PNGs: each pixel's object id, 0 = background), overlays/, and objects.jsonl, a line for each
    picture with the objects' boxes, areas, centroids, confidences and latents; of videos and bags overlay.webm, too.
    A picture that cannot be read is told and left out; the exit code is then 1. At the end it says what `lds perceive
    check` would of up to 50 of them.

    Example: lds segment photos/ --weights monet_lds_table --out /tmp/segmented
    """
    from perception.results import ResultsFolder
    from perception.segmenter import Segmenter
    from perception.sources import open_source
    from perception.tracking import Tracker

    source = open_source(inputs, topic)
    segmenter = Segmenter(weights, region=parsed_region(region), device=device)
    follows = source.rate is not None if track is None else track
    tracker = Tracker() if follows else None
    done, objects, merged, failed = 0, 0, 0, 0
    pictures: list[Picture] = []
    with (
        ResultsFolder(out, segmenter.name, source.rate) as results,
        progress_bar("Segmenting", source.count) as progress,
    ):
        for frame in source.frames():
            try:
                image = frame.read()
                found = segmenter.segment(image)
            except ValueError as error:
                print_error(f"{frame.name} was left out: {error}")
                failed += 1
            else:
                found = tracker.update(found, done if frame.stamp is None else frame.stamp) if tracker else found
                results.add(frame.name, frame.stamp, image, found)
                if is_looked_at(done, source.count):
                    pictures.append(picture_of(image, found, segmenter))
                done, objects, merged = done + 1, objects + len(found.objects), merged + found.duplicates_merged
            progress(1)
    for warning in [segmenter.trouble, *problems(pictures, segmenter)]:
        if warning:
            console.print(f"[yellow]-[/] {warning}", soft_wrap=True)
    print_written(out, f": {objects} objects in {done} pictures, {merged} duplicate slots merged")
    if failed:
        print_error(f"{failed} of {done + failed} pictures were left out")
        raise typer.Exit(1)
