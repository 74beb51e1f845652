"""What `lds data` prints as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lds_cli.console import console

if TYPE_CHECKING:
    from rich.table import Table

    from datasets.checks.findings import Findings

MAX_SHOWN = 20  # problems or notes that `check` prints


def plain_table(title: str) -> Table:
    """Rows of a name and a value."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 1), show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def statistics(findings: Findings) -> Table:
    """What the checks measured."""
    import numpy as np

    table = plain_table("Statistics")
    table.add_row("scenes read", str(findings.scenes))
    table.add_row("views", _histogram(findings.views))
    table.add_row("images", ", ".join(f"{width} x {height}" for height, width in findings.image_sizes) or "none")
    table.add_row("objects", _histogram(findings.objects))
    if findings.visible_pixels:
        low, median, high = np.quantile(findings.visible_pixels, [0, 0.5, 1])
        table.add_row("visible pixels", f"{low:.0f} to {high:.0f} an object and view, median {median:.0f}")
        table.add_row("fully hidden", f"{findings.hidden} times an object in a view")
    if findings.centre_errors:
        median, most, high = np.quantile(findings.centre_errors, [0.5, 0.99, 1])
        errors = f"{median:.2f} px (median), 99 % under {most:.2f} px, {high:.2f} px at most"
        table.add_row("reprojection error of object centres", errors)
    if findings.identity_views:
        table.add_row("ids agree", f"in {findings.identity_agrees} of {findings.identity_views} views, by position")
    if findings.epipolar_errors:
        median, high = np.quantile(findings.epipolar_errors, [0.5, 1])
        judged = len(findings.epipolar_errors)
        told = f"{median:.2f} px off at 640 px width (median of {judged} scenes), worst scene {high:.2f} px"
        table.add_row("poses against pictures", told)
    if findings.table_errors:
        median, high = 1e3 * np.quantile(findings.table_errors, [0.5, 1])
        table.add_row("the table by depth", f"{median:.1f} mm from view to view (median), {high:.1f} mm at most")
    return table


def print_lines(lines: list[str], label: str) -> None:
    """The first of many lines, under one label."""
    from rich.markup import escape

    for line in lines[:MAX_SHOWN]:
        console.print(f"{label} {escape(line)}", soft_wrap=True)
    if len(lines) > MAX_SHOWN:
        console.print(f"... and {len(lines) - MAX_SHOWN} more")


def _histogram(counts: dict[int, int]) -> str:
    """`3 (in 12), 4 (in 8 scenes)`; only the number where all scenes have the same."""
    if len(counts) < 2:
        return str(next(iter(counts), "none"))
    return ", ".join(f"{value} (in {scenes})" for value, scenes in sorted(counts.items())) + " scenes"
