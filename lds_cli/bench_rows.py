"""Rows of a benchmark: measured side by side with their reference in one run, shown as a table, written as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from lds_cli.console import console


@dataclass(frozen=True)
class Row:
    """One measured thing. `ratio` is how many times better than the reference it is. None: does not apply."""

    name: str
    median: float
    unit: str
    reference_median: float | None = None
    ratio: float | None = None
    peak_memory_mb: float | None = None


def interleaved_medians(
    functions: Sequence[Callable[[], object]], rounds: int, warm_up: int = 2, settle: int = 0
) -> list[float]:
    """Median seconds of each function, called in turn, so that a noisy moment of the machine falls on all of them.

    Args:
        warm_up: rounds before those that count.
        settle: calls before each one that counts, which bring back to the caches what the others drove out.
    """
    times: list[list[float]] = [[] for _ in functions]
    for round_ in range(warm_up + rounds):
        for function, spent in zip(functions, times, strict=True):
            for _ in range(settle):
                function()
            start = time.perf_counter()
            function()
            if round_ >= warm_up:
                spent.append(time.perf_counter() - start)
    return [median(spent) for spent in times]


def show(rows: list[Row], json_file: Path | None) -> None:
    """Print rows as a table and, where a file is given, write them to it."""
    from rich.table import Table

    table = Table(title="Medians of one run", title_justify="left")
    for heading in ("what", "median", "reference", "ratio", "peak memory"):
        table.add_column(heading, no_wrap=heading == "what")
    for row in rows:
        reference = "" if row.reference_median is None else f"{row.reference_median:.4g} {row.unit}"
        ratio = "" if row.ratio is None else f"{row.ratio:.2f} x"
        memory = "" if row.peak_memory_mb is None else f"{row.peak_memory_mb:.0f} MB"
        table.add_row(row.name, f"{row.median:.4g} {row.unit}", reference, ratio, memory)
    console.print(table)
    if json_file:
        json_file.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
        console.print(f"[green]Wrote[/] {json_file}")
