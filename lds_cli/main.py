"""The `lds` command: puts the sub-commands together and turns what goes wrong into one clear line.

A command is a function with Typer's annotations in its own module here, registered below. Any exception whose class has
an `exit_code` (such as DatasetError) is shown to the user as its message; all others are bugs and show their traceback.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import TextIO

import typer
from rich.console import Console

from lds_cli import bench, capture, compare, data, demo, evaluate, export, perceive, reproduce, segment, train, weights
from lds_cli.console import print_error
from lds_models.presets import preset_names

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"capture", "datasets", "lds_cli", "lds_models", "lds_ros", "perception"}

app = typer.Typer(
    name="lds",
    help="Record multi-view scenes, train and evaluate object-centric models with the LDS prior, perceive on a robot.",
    epilog="Example: lds segment photos/ --out /tmp/segmented",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(data.app, name="data")
app.add_typer(capture.app, name="capture")
app.command("train", epilog=f"Presets: {', '.join(preset_names())}")(train.train)
app.command("eval")(evaluate.evaluate)
app.command("compare")(compare.compare)
app.command("reproduce")(reproduce.reproduce)
app.command("export")(export.export)
app.command("segment")(segment.segment)
app.add_typer(perceive.app, name="perceive")
app.command("demo")(demo.demo)
app.add_typer(weights.app, name="weights")
app.add_typer(bench.app, name="bench", epilog="Example: lds bench all --json bench.json")


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 the data or the run is bad, 2 the command line is."""
    warnings.showwarning = _show_warning
    try:
        require_own_datasets()
        app()
    except Exception as error:
        exit_code = getattr(type(error), "exit_code", None)
        if exit_code is None:
            raise
        print_error(str(error))
        sys.exit(exit_code)


def _show_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int,
    file: TextIO | None = None, line: str | None = None,
) -> None:  # fmt: skip
    """Our own are for people: without the line of code that they came from."""
    if PACKAGES.intersection(parent.name for parent in Path(filename).parents if parent.parent == ROOT):
        text = str(message)
    else:
        text = warnings.formatwarning(message, category, filename, lineno).strip()
    Console(stderr=True).print(f"warning: {text}", style="yellow", markup=False, highlight=False, soft_wrap=True)


class ForeignPackage(Exception):
    """Another package answers to the import name of one of ours."""

    exit_code = 1


def require_own_datasets() -> None:
    """Raises ForeignPackage where `datasets` is not ours: a Hugging Face package has the same import name."""
    try:
        import datasets
    except ImportError as error:
        raise ForeignPackage(f"lds_scenes' package 'datasets' does not import ({error}); install it again") from error
    if not getattr(datasets, "IS_LDS_SCENES", False):
        where = getattr(datasets, "__file__", None) or "an unknown place"
        raise ForeignPackage(
            f"'datasets' was imported from {where}, which is not lds_scenes' own (Hugging Face's package has the same "
            f"name). Use an environment of its own for lds_scenes: './run lds ...' makes one"
        )


if __name__ == "__main__":
    main()
