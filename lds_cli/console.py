"""What all commands share on the terminal."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

if TYPE_CHECKING:
    from rich.table import Table

console = Console(highlight=False)


def print_error(message: str) -> None:
    """One red line on stderr, never wrapped, so that it can be searched for and piped."""
    line = " ".join(message.split())
    Console(stderr=True).print(f"error: {line}", style="bold red", markup=False, highlight=False, soft_wrap=True)


def print_written(what: object, more: str = "") -> None:
    """The line that tells where results are; paths as they are, brackets in them are no styles."""
    from rich.text import Text

    console.print(Text.assemble(("Wrote", "green"), f" {what}{more}"), soft_wrap=True)


def command_line() -> str:
    """What was typed to start this command, as a shell takes it."""
    return shlex.join(["lds", *sys.argv[1:]])


def noted_table(rows: Iterable[tuple[str, str, str]], title: str | None = None) -> Table:
    """Rows of a name, a value and a note on it."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE, show_header=False)
    for name, value, note in rows:
        table.add_row(name, f"[bold]{value}[/]", f"[dim]{note}[/]")
    return table


def duration(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def made_folder(folder: Path, option: str = "--out") -> Path:
    """Make the folder of an option now, so that a bad one is not found out after the work is done.

    Raises:
        typer.BadParameter: it cannot be made, or not be written to.
    """
    from datasets.atomic import make_folder

    try:
        make_folder(folder)
    except OSError as error:
        raise typer.BadParameter(f"{folder} cannot be made ({error.strerror})", param_hint=option) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise typer.BadParameter(f"{folder} cannot be written to; see to its permissions", param_hint=option)
    return folder


@contextmanager
def progress_bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar with the time left. Yields a function that takes how many more are done."""
    from rich import progress as rich

    times = rich.TimeRemainingColumn(elapsed_when_finished=True)
    columns = (rich.TextColumn(what), rich.BarColumn(), rich.MofNCompleteColumn(), times)
    with rich.Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.advance(task, done)
