"""What all commands share on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

console = Console(highlight=False)


def print_error(message: str) -> None:
    """One red line on stderr, never wrapped, so that it can be searched for and piped."""
    line = " ".join(message.split())
    Console(stderr=True).print(f"error: {line}", style="bold red", markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progress_bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar with the time left. Yields a function that takes how many more are done."""
    from rich import progress as rich

    times = rich.TimeRemainingColumn(elapsed_when_finished=True)
    columns = (rich.TextColumn(what), rich.BarColumn(), rich.MofNCompleteColumn(), times)
    with rich.Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.advance(task, done)
