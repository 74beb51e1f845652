"""The report's figures: the paper's Figure 2, scenes with their unseen views, and charts as PNG and as themed SVG."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datasets.atomic import whole_file
from datasets.palette import INK, MUTED
from lds_models.evaluation import Evaluation, Sweep
from lds_models.examples import SceneExample
from lds_models.measures import METRICS
from lds_models.pictures import Panel, View, lines_of_views, traversal
from lds_models.traversals import VALUES, TraversedImage

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

# What charts are drawn in. In SVG each becomes the CSS variable of its name, so that charts follow the page's theme.
THEME = {
    "ink": INK, "muted": MUTED, "line": "#dfe2e7", "accent": "#2f6fde", "second": "#c2570c",
    "better": "#1d8a4e", "duplicate": "#f2b705",
}  # fmt: skip
PANEL_HEIGHT = 2.12  # rows of pictures that an example takes in the grid
VIEWS_HEADING = 0.85  # rows of pictures that the words above a line of views take
VIEWS_GAP = 0.3  # between observed and unseen ones


def grid(rows: Sequence[tuple[str, Panel]]) -> Figure:
    """Figure 2: two lines a row, slots masked above and rendered alone below, duplicates boxed in yellow.

    Args:
        rows: what is written under an observation, and the pictures; all of equally many slots.
    """
    first = rows[0][1]
    slots, has_truth = len(first.slots), first.truth is not None
    titles = ["observation", "reconstr.", *(f"slot {k + 1}" for k in range(slots)), *["truth"] * has_truth, "segm."]
    height = PANEL_HEIGHT * len(rows)
    figure = new_figure(0.95 * len(titles) + 0.3, 0.95 * height + 0.9)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    for column, title in enumerate(titles):
        axes.text(column + 0.5, -0.08, title, ha="center", color=THEME["ink"])
    for index, (label, shown) in enumerate(rows):
        _draw_panel(axes, label, shown, PANEL_HEIGHT * index)
    note = "Slots: masked above, rendered alone below. Boxed in yellow: duplicates."
    axes.text(len(titles) / 2, height + 0.25, note, ha="center", color=THEME["muted"])
    axes.set(xlim=(-0.15, len(titles) + 0.15), ylim=(height + 0.5, -0.4), aspect="equal")
    return figure


def _draw_panel(axes: Axes, label: str, shown: Panel, top: float) -> None:
    ends = [shown.segmentation] if shown.truth is None else [shown.truth, shown.segmentation]
    pictures = [shown.observation, shown.reconstruction, *(slot.masked for slot in shown.slots), *ends]
    for column, picture in enumerate(pictures):
        _place(axes, picture, column, top)
    for column, slot in enumerate(shown.slots, start=2):
        _place(axes, slot.alone, column, top + 1)
        if slot.duplicate:
            axes.add_patch(_box((column, top), 1, 2))
    axes.text(0.05, top + 1.2, label, va="top", color=THEME["muted"])


def _place(axes: Axes, picture: np.ndarray, left: float, top: float) -> None:
    """Draw a picture into the unit square that begins at (left, top)."""
    gap = 0.03
    axes.imshow(picture, extent=(left + gap, left + 1 - gap, top + 1 - gap, top + gap), interpolation="nearest")


def _box(corner: tuple[float, float], width: float, height: float) -> Patch:
    from matplotlib.patches import FancyBboxPatch

    rounded = "round,pad=0,rounding_size=.06"
    return FancyBboxPatch(corner, width, height, rounded, fill=False, ec=THEME["duplicate"], lw=2.5)


def views(scenes: Sequence[SceneExample]) -> Figure:
    """Scenes view by view, a column each: first those that the model was shown, then the unseen ones."""
    lines = [(scene, line) for scene in scenes for line in lines_of_views(scene.explanation)]
    rows = list(lines[0][1][0][0].pictures)
    width = max(len(observed) + len(unseen) for _, (observed, unseen) in lines) + VIEWS_GAP
    height = VIEWS_HEADING + len(rows)
    figure = new_figure(0.95 * (width + 1.1), 0.95 * (height * len(lines) + 0.1))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    for index, (scene, (observed, unseen)) in enumerate(lines):
        top = height * index + VIEWS_HEADING
        axes.text(-0.1, top - 0.45, scene.reason, ha="right", color=THEME["accent"], weight="bold")
        for row, label in enumerate(rows):
            axes.text(-0.1, top + row + 0.5, label, ha="right", va="center", color=THEME["muted"], fontsize="small")
        _draw_views(axes, "shown", scene.observed, observed, 0, top)
        _draw_views(axes, "unseen", scene.unseen, unseen, len(observed) + VIEWS_GAP * bool(observed), top)
    axes.set(xlim=(-1, width + 0.1), ylim=(height * len(lines) + 0.1, 0), aspect="equal")
    return figure


def _draw_views(
    axes: Axes, title: str, means: dict[str, float], shown: Sequence[View], left: float, top: float
) -> None:
    if len(shown) > 2:  # there is room for numbers
        title += ": " + ", ".join(f"{METRICS[k].label} {mean:{METRICS[k].spec}}" for k, mean in means.items())
    if shown:
        axes.text(left + 0.03, top - 0.45, title, color=THEME["ink"])
    for column, view in enumerate(shown):
        middle = left + column + 0.5
        axes.text(middle, top - 0.08, f"view {view.number}", ha="center", color=THEME["muted"], fontsize="small")
        for row, picture in enumerate(view.pictures.values()):
            _place(axes, picture, left + column, top + row)


def traversals(traversed: TraversedImage) -> Figure:
    """Slot traversals, two lines a dimension: the scene, and the slot alone, at each value."""
    shown = traversed.traversals
    figure = new_figure(0.95 * (len(VALUES) + 1.7), 0.95 * (PANEL_HEIGHT * len(shown) + 0.6))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    for column, value in enumerate(VALUES):
        axes.text(column + 0.5, -0.08, f"{value:+g}", ha="center", color=THEME["ink"])
    for index, one in enumerate(shown):
        top = PANEL_HEIGHT * index
        label = f"{one.label}\n{one.information:.1f} nats\nhere {one.value:+.1f}"
        axes.text(-0.1, top + 1, label, ha="right", va="center", color=THEME["muted"], fontsize="small")
        for column, (scene, alone) in enumerate(traversal(one)):
            _place(axes, scene, column, top)
            _place(axes, alone, column, top + 1)
    axes.set(xlim=(-1.6, len(VALUES) + 0.1), ylim=(PANEL_HEIGHT * len(shown) + 0.1, -0.5), aspect="equal")
    return figure


def histogram(values: np.ndarray, label: str) -> Figure:
    """How the images' values of one measure are spread, with their mean."""
    figure, axes = chart()
    spread = (0, 1) if label.endswith("IoU") else None
    axes.hist(values, bins=25, range=spread, color=THEME["accent"], rwidth=0.88)
    axes.axvline(values.mean(), color=THEME["second"], lw=1.6)
    axes.annotate(
        f"mean {values.mean():.3g}", (values.mean(), 1.02), xycoords=("data", "axes fraction"), ha="center",
        color=THEME["second"],
    )  # fmt: skip
    axes.set(xlabel=label, ylabel="images")
    return figure


def sweep_curve(sweep: Sweep, label: str) -> Figure:
    """Duplicate rate against the threshold of its rule, the one in use marked."""
    figure, axes = chart()
    axes.plot(sweep.thresholds, sweep.rates, color=THEME["accent"], lw=2)
    rate = sweep.rates[sweep.thresholds.index(sweep.default)]
    axes.plot([sweep.default], [rate], "o", color=THEME["second"], ms=6)
    side = -1 if sweep.default > np.mean(sweep.thresholds) else 1  # towards the middle, where there is room
    axes.annotate(
        f"{rate:.1%} at {sweep.default:g}", (sweep.default, rate), xytext=(8 * side, 8), textcoords="offset points",
        ha="right" if side < 0 else "left", color=THEME["second"],
    )  # fmt: skip
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.set(xlabel=label, ylabel="images", ylim=(0, max(0.1, 1.15 * max(sweep.rates))))
    axes.margins(x=0.02)
    return figure


def charts(evaluation: Evaluation) -> dict[str, Figure]:
    """The charts that the evaluation has data for, by file name."""
    figures = {}
    if "miou" in evaluation.rows:
        figures["miou_histogram"] = histogram(evaluation.rows["miou"], "mIoU")
    figures["mse_histogram"] = histogram(evaluation.rows["mse"], "MSE")
    labels = {"overlap": "least share of a region that counts", "latent": "least cosine of latents that counts"}
    for name, label in labels.items():
        if name in evaluation.sweeps:
            figures[f"duplicates_by_{name}"] = sweep_curve(evaluation.sweeps[name], label)
    return figures


def save_png(figure: Figure, path: Path) -> None:
    """Write a PNG on white, 200 dots an inch."""
    with whole_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=200, facecolor="white")


def themed_svg(figure: Figure, name: str) -> str:
    """The figure as an <svg> element whose colours are the page's CSS variables; `name` keeps its ids apart."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    for variable, color in THEME.items():
        svg = svg.replace(color, f"var(--{variable})")
    return re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', "", svg, count=1)


def chart(width: float = 4.6, height: float = 2.9) -> tuple[Figure, Axes]:
    """An empty chart in the report's style, sizes in inches."""
    figure = new_figure(width, height)
    figure.set_layout_engine("constrained")
    axes = figure.add_subplot()
    style_axes(axes)
    return figure, axes


def style_axes(axes: Axes) -> None:
    """Give axes the report's look: no frame, a quiet grid, muted words."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(THEME["line"])
    axes.tick_params(colors=THEME["muted"], length=0)
    axes.grid(axis="y", color=THEME["line"], lw=0.8)
    axes.set_axisbelow(True)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(THEME["muted"])


def new_figure(width: float, height: float) -> Figure:
    """A figure of its own (no pyplot state, no window); sizes in inches."""
    from matplotlib.figure import Figure

    return Figure((width, height))
