"""`lds data`: make, check and look at datasets."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from lds_cli import data_convert, data_drop, options
from lds_cli.console import console, print_error, print_written, progress_bar
from lds_cli.data_tables import plain_table, print_lines, statistics
from lds_cli.options import DatasetPath

app = typer.Typer(
    help="Make, check and look at datasets.",
    epilog="Example: lds data synth table_cubes /tmp/table --scenes 20",
    no_args_is_help=True,
)
app.command()(data_convert.convert)
app.command()(data_drop.drop)
app.command()(data_drop.restore)

Split = Annotated[str | None, typer.Option(help="Only this split (train, test, ...).", show_default="all splits")]


@app.command()
def synth(
    kind: Annotated[str, typer.Argument(help="table_cubes, clevr_mv or dolphin.", show_default=False)],
    out: Annotated[Path, typer.Argument(help="Folder to write the scenes to.", show_default=False)],
    scenes: Annotated[int, typer.Option(min=1, help="How many scenes.")] = 100,
    views: Annotated[int, typer.Option(min=1, help="Views of each scene.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same scenes.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes that render.")] = os.cpu_count() or 1,
    size: Annotated[int, typer.Option(min=8, max=2048, help="Height and width of the images, pixels.")] = 64,
    layout: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="h5: a file a scene, with depth. clevr: the official CLE-MV layout, for clevr_mv and dolphin.",
            show_default="clevr where there is a choice",
        ),
    ] = None,
    renderer: Annotated[
        str, typer.Option(help="mujoco; or mitsuba, which traces light's paths, for clevr_mv and dolphin.")
    ] = "mujoco",
    near_views: Annotated[
        bool,
        typer.Option(
            "--near-views",
            help="Let a scene's cameras keep within a random part of all viewpoints, around one that is the same for "
            "all scenes: for multi-view models to begin with, see data.widening in docs/training.md.",
        ),
    ] = False,
) -> None:
    """Synthesise a dataset with masks and poses. An interrupted run goes on when it is started again.

    table_cubes: coloured cubes on a white table. clevr_mv: CLEVR's shapes on the official camera circle. dolphin: the
    same with free forms.

    Example: lds data synth table_cubes /tmp/table --scenes 20 --views 10 --seed 1
    """
    from datasets.scene import DatasetError
    from datasets.synthesis import SYNTHESISERS
    from datasets.synthesis.layouts import LAYOUTS
    from datasets.synthesis.synthesiser import Settings

    if kind not in SYNTHESISERS:
        raise typer.BadParameter(f"there is no '{kind}'; choose from {', '.join(SYNTHESISERS)}", param_hint="KIND")
    synthesiser = SYNTHESISERS[kind]
    layout = layout or synthesiser.layouts[0]
    if layout not in synthesiser.layouts:
        choices = " or ".join(synthesiser.layouts)
        raise typer.BadParameter(f"{kind} cannot be written as '{layout}'; choose {choices}", param_hint="--format")
    if renderer not in synthesiser.renderers:
        choices = " or ".join(synthesiser.renderers)
        problem = f"{kind} cannot be rendered by '{renderer}'; choose {choices}"
        raise typer.BadParameter(problem, param_hint="--renderer")
    if any(each.index_file(out).exists() for each in LAYOUTS.values()):
        raise DatasetError(f"{out}: already holds a finished dataset; choose another folder")
    with progress_bar(f"Rendering {kind}", scenes) as progress:
        settings = Settings(views, seed, size, layout, renderer, near_views)
        synthesiser.write(out, scenes, settings, workers, progress)
    print_written(f"{scenes} scenes. Look at them: lds data view {shlex.quote(str(out))}")


@app.command()
def check(path: DatasetPath, split: Split = None) -> None:
    """Read every scene and tell whether the dataset is sound. Exits with 1 if it is not.

    Looks for unreadable or inconsistent files, scenes in two of train, val and test, blank and repeated images, poses
    that are none or that pictures contradict (another view's, or of a wrong hand-eye calibration), depth that is
    missing, of a wrong unit or scale, or shows a table that is not one for all views, object ids that differ between
    views or disagree with the objects' projected positions, and what an interrupted recording left.

    "Sound, but the poses of N scenes are unproven": neither pictures nor depth nor known positions of objects tell
    whether their poses are right. Place patterned objects, or record depth. The exit code is 0.

    Example: lds data check /tmp/table
    """
    from datasets.check import check_dataset
    from datasets.loading import open_dataset

    dataset = open_dataset(path, split)
    with progress_bar(f"Checking {dataset.name}", len(dataset)) as progress:
        findings = check_dataset(dataset, progress)
    console.print(statistics(findings))
    print_lines(findings.notes, "[yellow]note[/]")
    print_lines(findings.problems, "[red]problem[/]")
    if findings.problems:
        print_error(f"{path} is {findings.verdict}")
        raise typer.Exit(1)
    colour = "yellow" if findings.unproven else "green"
    console.print(f"[{colour}]{dataset.name} is {findings.verdict}.[/]", soft_wrap=True)


@app.command()
def info(path: DatasetPath, split: Split = None) -> None:
    """Say what a dataset holds, from its index and its first scene: also who recorded it, and with which calibration.

    Example: lds data info /tmp/table --split test
    """
    from capture.storage.dropping import dropped_scenes
    from datasets.loading import open_dataset
    from datasets.recording_facts import readable, recorded_files, recording_facts, unfinished_scenes

    dataset = open_dataset(path, split)
    scene = dataset[0]
    height, width = scene.image_size
    known = ("T_world_camera", "K", "distortion", "masks", "amodal_masks", "depth", "stamps")
    table = plain_table(dataset.name)
    table.add_row("format", f"{dataset.format} (kind {dataset.kind})")
    table.add_row("splits", ", ".join(f"{name} {count}" for name, count in dataset.splits.items()))
    table.add_row("scenes", f"{len(dataset)}" + (f" in {split}" if split else ""))
    size = f"{scene.num_views} views of {width} x {height}, {scene.num_objects} objects"
    table.add_row("first scene", f"{scene.name}: {size}")
    table.add_row("has", ", ".join(["images", *(name for name in known if getattr(scene, name) is not None)]))
    for file in recorded_files(dataset)[:1]:
        for name, value in readable(recording_facts(file).facts).items():
            table.add_row(name, value)
    table.add_row("digest", dataset.digest())
    console.print(table)
    print_lines([f"{name} {reason}" for name, reason in dropped_scenes(dataset.root).items()], "[yellow]dropped[/]")
    for partial in unfinished_scenes(dataset.root):
        console.print(f"[yellow]unfinished[/] {partial}; go on with it: lds capture resume {path}", soft_wrap=True)


@app.command()
def view(
    path: DatasetPath,
    out: Annotated[Path, typer.Option(help="The picture to write, PNG.")] = Path("sheet.png"),
    split: Split = None,
    scenes: Annotated[int, typer.Option(min=1, max=200, help="Scenes to show, spread evenly over the dataset.")] = 6,
    views: Annotated[int, typer.Option(min=1, max=100, help="Views to show of each scene.")] = 10,
) -> None:
    """Draw a contact sheet: scenes as rows, views as columns, and the masks under the images.

    Where cameras stood is drawn as a second picture beside it, such as sheet_poses.png.

    Example: lds data view /tmp/table --split test --out /tmp/table.png
    """
    from datasets.contact_sheet import save_contact_sheet
    from datasets.loading import open_dataset
    from datasets.pose_plot import save_pose_plot

    dataset = open_dataset(path, split)
    shown = save_contact_sheet(dataset, out, scenes, views)
    print_written(out, f": {shown} of {len(dataset)} scenes of {dataset.name}")
    poses = out.with_name(f"{out.stem}_poses.png")
    shown = save_pose_plot(dataset, poses, scenes)
    if shown:
        print_written(poses, f": where the cameras of {shown} scenes stood")


@app.command()
def browse(
    path: DatasetPath,
    out: Annotated[Path, typer.Option(help="Folder to write the pages to.")] = Path("browse"),
    split: Split = None,
    open_page: Annotated[bool, typer.Option("--open", help="Show them in the browser.")] = False,
) -> None:
    """Write pages to look through a dataset: scenes, views, masks, poses, quality, what was skipped, the journal.

    They need no network and no server, and can be carried elsewhere as a folder.

    Example: lds data browse /tmp/table --out /tmp/table_pages --open
    """
    from datasets.browse import write_pages
    from datasets.loading import open_dataset

    dataset = open_dataset(path, split)
    with progress_bar(f"Writing pages of {dataset.name}", len(dataset)) as progress:
        page = write_pages(dataset, out, progress)
    print_written(page)
    if open_page:
        typer.launch(page.resolve().as_uri())


@app.command()
def pack(
    path: DatasetPath,
    out: Annotated[Path, typer.Argument(help="The file to write, .h5.", show_default=False)],
    split: options.Split = "train",
    size: Annotated[int, typer.Option(min=8, max=2048, help="Height and width of the packed images, pixels.")] = 64,
) -> None:
    """Pack a split into one file, small enough to carry to the machine that trains: `lds train ... data.path=FILE`.

    Training packs datasets by itself where they lie; this is for taking one elsewhere.

    Example: lds data pack /tmp/table /tmp/table_train.h5 --split train
    """
    from datasets.loading import open_dataset
    from datasets.packing import write_packed

    dataset = open_dataset(path, split)
    with progress_bar(f"Packing {dataset.name}", len(dataset)) as progress:
        write_packed(out, dataset, str(path), split, dataset.digest(), size, progress)
    print_written(out, f": {len(dataset)} scenes, {out.stat().st_size / 1e6:.1f} MB")
