"""The `lds` command: puts the sub-commands together and turns what goes wrong into one clear line.

A command is a function with Typer's annotations in its own module here, registered below. Any exception whose class has
an `exit_code` (such as DatasetError) is shown to the user as its message; all others are bugs and show their traceback.
"""

from __future__ import annotations

import sys

import typer

from lds_cli import bench, capture, compare, data, demo, evaluate, perceive, reproduce, segment, train, weights
from lds_cli.console import print_error
from lds_models.presets import preset_names

app = typer.Typer(
    name="lds",
    help="Record multi-view scenes, train and evaluate object-centric models with the LDS prior, perceive on a robot.",
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
app.command("segment")(segment.segment)
app.add_typer(perceive.app, name="perceive")
app.command("demo")(demo.demo)
app.add_typer(weights.app, name="weights")
app.add_typer(bench.app, name="bench")


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 the data or the run is bad, 2 the command line is."""
    try:
        require_own_datasets()
        app()
    except Exception as error:
        exit_code = getattr(type(error), "exit_code", None)
        if exit_code is None:
            raise
        print_error(str(error))
        sys.exit(exit_code)


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
