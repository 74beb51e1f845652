"""`lds eval`: measure weights on a dataset, and show what they see."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lds_cli.console import command_line, console, duration, made_folder, print_written, progress_bar
from lds_cli.options import Limit, Slots, Split, Weights
from lds_cli.train import ready_memory

if TYPE_CHECKING:
    from rich.table import Table

    from lds_models.evaluation import Evaluation
    from lds_models.explainer import Explainer
    from lds_models.results import Provenance


def evaluate(
    weights: Weights,
    data: Annotated[Path | None, typer.Option(help="The dataset's own folder.", show_default="required")] = None,
    split: Split = "test",
    out: Annotated[Path | None, typer.Option(help="Folder for the results.", show_default="runs/eval/WEIGHTS")] = None,
    limit: Limit = None,
    observe: Annotated[
        int | None,
        typer.Option(min=1, help="Views of a scene that a multi-view model is shown.", metavar="N", show_default="5"),
    ] = None,
    slots: Slots = None,
    inference_gap: Annotated[
        bool, typer.Option("--inference-gap", help="Measure the inference gap too. Long on a CPU: see --gap-samples.")
    ] = False,
    gap_samples: Annotated[
        int | None,
        typer.Option(min=2, help="Posterior samples of each image for the gap.", metavar="N", show_default="500"),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images at a time.")] = 32,
    seed: Annotated[int, typer.Option(min=0, help="Of latent samples, views shown, bootstrap and pictures.")] = 0,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1, ...", show_default="cuda where there is one")
    ] = None,
) -> None:
    """Measure weights on a dataset: segmentation, reconstruction and duplicates, each with a 95 % interval.

    Writes metrics.json, per_image.csv, figures/ and report.html, a page that shows what every slot sees.
    A multi-view model is shown some views of each scene, and renders and segments all: the unseen are measured too.
    With --inference-gap every image is decoded once for each sample; what that takes is measured and told first.

    Example: lds eval monet_lds_table --data /tmp/table --out /tmp/table_eval
    """
    if data is None:
        raise typer.BadParameter(
            "say which dataset to measure on, such as --data /tmp/table, "
            "which `lds data synth table_cubes /tmp/table` makes",
            param_hint="--data",
        )
    ready_memory()
    import torch

    from datasets.packing import pack
    from lds_models.evaluation import evaluate as measure
    from lds_models.evaluation import first_scenes, with_inference_gap
    from lds_models.explainer import Explainer
    from lds_models.metrics.inference_gap import GAP_SAMPLES
    from lds_models.model import MultiViewModel
    from lds_models.novel_views import OBSERVED_VIEWS
    from lds_models.report import write_results
    from lds_models.results import Provenance
    from lds_models.traversals import traverse
    from lds_models.weights import load_weights

    if gap_samples is not None and not inference_gap:
        raise typer.BadParameter("it is of the inference gap: add --inference-gap", param_hint="--gap-samples")
    device = _usable_device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    loaded = load_weights(weights, slots)
    multi_view = isinstance(loaded.model, MultiViewModel)
    if observe is not None and not multi_view:
        raise typer.BadParameter(
            f"{loaded.name} is a single-view model: it sees each view by itself", param_hint="--observe"
        )
    observe, gap_samples = observe or OBSERVED_VIEWS, gap_samples or GAP_SAMPLES
    folder = made_folder(out or Path("runs/eval") / loaded.name)
    with console.status(f"Reading {data}"):
        packed = pack(data, split, loaded.model.image_size)
    if limit is not None:
        packed = first_scenes(packed, limit)
    provenance = Provenance(
        weights=weights,
        weights_digest=loaded.digest,
        data=str(data),
        data_digest=packed.digest,
        split=split,
        image_size=packed.image_size,
        source_size=_source_size(data, split),
        seed=seed,
        observe=observe if multi_view else None,
        batch_size=batch_size,
        device=device,
        command=command_line(),
        slots=slots,
        gap_samples=gap_samples if inference_gap else None,
    )
    with progress_bar(f"Evaluating {loaded.name}", len(packed.images)) as progress:
        evaluation = measure(loaded.model, packed, batch_size, device, seed, observe, progress)
    explainer = Explainer(loaded.model, packed, batch_size, device, seed, observe)
    evaluation = replace(evaluation, traversed=traverse(explainer, evaluation.examples))
    if inference_gap:
        decoded = gap_samples * int(explainer.observed.sum())
        _tell_time(explainer, gap_samples, decoded)
        with progress_bar("Inference gap", decoded) as progress:
            evaluation = with_inference_gap(evaluation, explainer, gap_samples, progress)
    page = write_results(evaluation, provenance, loaded.card, folder)
    console.print(_table(evaluation, f"{loaded.name} on {evaluation.num_images} images of {data}, {split}"))
    _show_notes(evaluation, provenance)
    print_written(page)


def _show_notes(evaluation: Evaluation, provenance: Provenance) -> None:
    if provenance.resized and provenance.source_size is not None:
        height, width = provenance.source_size
        size = provenance.image_size
        console.print(f"[yellow]note[/] images of {width} x {height} were cropped and resized to {size} x {size}")
    for warning in evaluation.warnings:
        console.print(f"[yellow]warning[/] {warning}", soft_wrap=True)


def _tell_time(explainer: Explainer, samples: int, decoded: int) -> None:
    """Print how long the inference gap will take, of `decoded` images in all, by a few samples of the first batch."""
    from time import perf_counter

    images, times = [0], [perf_counter()]

    def note(more: int) -> None:
        images.append(images[-1] + more)
        times.append(perf_counter())

    explainer.log_weights(0, 4 * explainer.samples_at_once(0), note)
    # The first part includes inference and warming up.
    seconds = (times[-1] - times[1]) / (images[-1] - images[1]) * decoded
    console.print(
        f"Inference gap: {samples} samples of each image, {decoded:,} images to decode, about {duration(seconds)}",
        soft_wrap=True,
    )


def _usable_device(device: str) -> str:
    import torch

    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise typer.BadParameter(f"'{device}' is of no use here ({reason}); try cpu", param_hint="--device") from error
    return device


def _source_size(data: Path, split: str) -> tuple[int, int] | None:
    """(height, width) of the dataset's images, None where it is a packed file."""
    from datasets.loading import open_dataset

    return None if data.is_file() else open_dataset(data, split)[0].image_size


def _table(evaluation: Evaluation, title: str) -> Table:
    from rich import box
    from rich.table import Table

    from lds_models.measures import VIEW_METRICS
    from lds_models.report import format_interval

    by_view = bool(evaluation.scenes)
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column("", no_wrap=True)
    for heading in ("mean", "95 % interval", *["shown", "unseen"] * by_view):
        table.add_column(heading, justify="right", no_wrap=True)
    if not by_view:  # with them it is too wide for a terminal of 80 columns
        table.add_column("better", style="dim")
    metrics = evaluation.measures
    for name, metric in metrics.items():
        if name in VIEW_METRICS:
            continue
        parts = [f"{name}_{over}" for over in ("observed", "unseen")]
        of_views = [format_interval(evaluation.metrics[part], metric)[0] for part in parts if part in metrics]
        last = of_views if by_view else [metric.better]
        table.add_row(metric.label, *format_interval(evaluation.metrics[name], metric), *last)
    return table
