"""`lds perceive score`: how good the objects are that de-duplication makes of a model's slots."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lds_cli.console import command_line, console, made_folder, print_written, progress_bar
from lds_cli.options import Limit, Split

if TYPE_CHECKING:
    from lds_models.metrics.statistics import Interval

SHOWN = {"miou": ".3f", "duplicate_rate": ".1%", "right_count": ".1%"}


def score(
    weights: Annotated[
        list[str], typer.Argument(help="Shipped weights by name, files, or runs' folders.", show_default=False)
    ],
    data: Annotated[Path, typer.Option(help="A dataset with masks; its own folder.", show_default=False)],
    split: Split = "test",
    limit: Limit = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", dir_okay=False, help="Write the numbers to this file as well.")
    ] = None,
) -> None:
    """Measure on labelled scenes what de-duplication makes of a model's slots: before and after.

    Means over images with 95 % intervals over scenes, where there are two or more. The masks are those of the model's
    resolution. A multi-view model sees each scene's views one after another, with their poses, as before a moving
    camera.

    Example: lds perceive score monet_lds_table --data /tmp/table --limit 30
    """
    from rich.table import Table

    from datasets.loading import open_dataset
    from datasets.scene import DatasetError
    from lds_models.results import finite
    from perception.quality import before_and_after, labelled_slots
    from perception.segmenter import Segmenter

    if json_file:
        made_folder(json_file.parent, "--json")
    dataset = open_dataset(data, split)
    rows = range(len(dataset))[:limit]
    table = Table(
        "weights", "", "mIoU", "images with duplicates", "right number of objects", box=None,
        title=f"{data}, split {split}: {len(rows)} scenes", title_justify="left",
    )  # fmt: skip
    scored = []
    for name in weights:
        segmenter = Segmenter(name, device="cpu", poses=True)
        with progress_bar(segmenter.name, len(rows)) as progress:
            labelled = labelled_slots(segmenter, (dataset[row] for row in rows), progress)
        qualities = before_and_after(labelled, segmenter.settings)
        for what, found in qualities.items():
            numbers = (_told(found[measure], shown) for measure, shown in SHOWN.items())
            table.add_row(segmenter.name if what == "slots" else "", what, *numbers)
        told = {what: {measure: asdict(each) for measure, each in found.items()} for what, found in qualities.items()}
        facts = {"weights": name, "weights_digest": segmenter.loaded.digest, "images": len(labelled.truths)}
        scored.append(facts | finite(told))
    console.print(table)
    if json_file:
        facts = {"data": str(data), "data_digest": dataset.digest(), "split": split, "command": command_line()}
        try:
            json_file.write_text(json.dumps({**facts, "scored": scored}, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise DatasetError(f"{json_file}: cannot be written ({error.strerror}); give another --json") from error
        print_written(json_file)


def _told(interval: Interval, shown: str) -> str:
    if not math.isfinite(interval.low):
        return f"{interval.mean:{shown}}"
    return f"{interval.mean:{shown}} \\[{interval.low:{shown}}, {interval.high:{shown}}]"
