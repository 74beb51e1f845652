"""The report's pictures: the paper's Figure 2 as tiles and as one PNG, and charts as PNG and as themed SVG."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datasets.palette import object_colours
from lds_models.evaluation import Evaluation, Example, Sweep
from lds_models.explanation import Explanation
from lds_models.metrics.duplicates import latent_slots, overlap_slots
from lds_models.metrics.segmentation import match

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

# What charts are drawn in. In SVG each becomes the CSS variable of its name, so that charts follow the page's theme.
THEME = {"ink": "#1f2530", "muted": "#68707d", "line": "#dfe2e7", "accent": "#2f6fde", "second": "#c2570c"}
DUPLICATE = "#f2b705"
BACKGROUND = (205, 210, 218)
PANEL_HEIGHT = 2.12  # rows of pictures that an example takes in the grid
CHECKER = (122, 132)  # grey levels behind a slot's masked appearance


@dataclass(frozen=True)
class Slot:
    """A slot's pictures, uint8 [H,W,3]: its part of the image, and its appearance rendered alone."""

    masked: np.ndarray
    alone: np.ndarray
    visible: bool
    duplicate: bool


@dataclass(frozen=True)
class Panel:
    """One image in the manner of the paper's Figure 2; all pictures uint8 [H,W,3]."""

    observation: np.ndarray
    reconstruction: np.ndarray
    slots: list[Slot]
    truth: np.ndarray | None
    segmentation: np.ndarray


def panel(explanation: Explanation) -> Panel:
    """The pictures of an explanation of one image."""
    e = explanation
    masked = _over_checker(e.appearances[0], e.masks[0])
    duplicates = _duplicates(e)
    slots = [
        Slot(masked[k], _to_uint8(e.appearances[0, k]), bool(e.visible[0, k]), bool(duplicates[k]))
        for k in range(e.num_slots)
    ]
    of_regions, of_slots = _colours(e)
    return Panel(
        observation=_to_uint8(e.images[0]),
        reconstruction=_to_uint8(e.reconstruction[0]),
        slots=slots,
        truth=None if e.truth is None else of_regions[e.truth[0]],
        segmentation=of_slots[e.segmentation[0]],
    )


def _duplicates(e: Explanation) -> np.ndarray:
    """The slots to mark, bool [K]: by ground truth where there is one, by their latents otherwise."""
    if e.table is not None:
        return overlap_slots(e.table, e.pixel_floor)[0]
    return latent_slots(e.cosines_of_means, e.visible)[0]


def _colours(e: Explanation) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [R,3] and [K,3]; a slot has the colour of the region that it is matched to, the others have their own."""
    if e.table is None:
        colours = object_colours(e.num_slots)
        colours[np.bincount(e.segmentation.ravel()).argmax()] = BACKGROUND  # most likely: the slot that wins most
        return colours[:0], colours
    palette = np.insert(object_colours(e.num_regions - 1 + e.num_slots), 0, BACKGROUND, axis=0)
    regions, slots = palette[: e.num_regions], palette[e.num_regions :]
    matched = match(e.table)[0]
    slots[matched[matched >= 0]] = regions[matched >= 0]
    return regions, slots


def _to_uint8(image: np.ndarray) -> np.ndarray:
    return (np.clip(image, 0, 1) * 255).round().astype(np.uint8)


def _over_checker(appearances: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """uint8 [K,H,W,3]: appearances [K,H,W,3], where masks [K,H,W] let them be seen, over a grey checkerboard."""
    height, width = masks.shape[1:]
    side = max(1, height // 8)
    rows, columns = np.arange(height)[:, None] // side, np.arange(width) // side
    checker = np.where((rows + columns) % 2, *CHECKER)[None, :, :, None] / 255
    alpha = masks[..., None]
    return _to_uint8(alpha * appearances + (1 - alpha) * checker)


def grid(examples: Sequence[Example]) -> Figure:
    """Figure 2: two rows an example, slots masked above and rendered alone below, duplicates boxed in yellow."""
    panels = [panel(example.explanation) for example in examples]
    slots, has_truth = len(panels[0].slots), panels[0].truth is not None
    titles = ["observation", "reconstr.", *(f"slot {k + 1}" for k in range(slots)), *["truth"] * has_truth, "segm."]
    height = PANEL_HEIGHT * len(panels)
    figure = _figure(0.95 * len(titles) + 0.3, 0.95 * height + 0.9)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    for column, title in enumerate(titles):
        axes.text(column + 0.5, -0.08, title, ha="center", color=THEME["ink"])
    for index, (example, shown) in enumerate(zip(examples, panels, strict=True)):
        _draw_panel(axes, example.reason, shown, PANEL_HEIGHT * index)
    note = "Slots: masked above, rendered alone below. Boxed in yellow: duplicates."
    axes.text(len(titles) / 2, height + 0.25, note, ha="center", color=THEME["muted"])
    axes.set(xlim=(-0.15, len(titles) + 0.15), ylim=(height + 0.5, -0.4), aspect="equal")
    return figure


def _draw_panel(axes: Axes, reason: str, shown: Panel, top: float) -> None:
    def place(picture: np.ndarray, column: float, row: float) -> None:
        gap = 0.03
        extent = (column + gap, column + 1 - gap, row + 1 - gap, row + gap)
        axes.imshow(picture, extent=extent, interpolation="nearest")

    ends = [shown.segmentation] if shown.truth is None else [shown.truth, shown.segmentation]
    pictures = [shown.observation, shown.reconstruction, *(slot.masked for slot in shown.slots), *ends]
    for column, picture in enumerate(pictures):
        place(picture, column, top)
    for column, slot in enumerate(shown.slots, start=2):
        place(slot.alone, column, top + 1)
        if slot.duplicate:
            axes.add_patch(_box((column, top), 1, 2))
    axes.text(0.05, top + 1.2, reason, color=THEME["muted"])


def _box(corner: tuple[float, float], width: float, height: float) -> Patch:
    from matplotlib.patches import FancyBboxPatch

    return FancyBboxPatch(corner, width, height, "round,pad=0,rounding_size=.06", fill=False, ec=DUPLICATE, lw=2.5)


def histogram(values: np.ndarray, label: str) -> Figure:
    """How the images' values of one measure are spread, with their mean."""
    figure, axes = _chart()
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
    figure, axes = _chart()
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
    figure.savefig(path, dpi=200, facecolor="white")


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


def _chart() -> tuple[Figure, Axes]:
    figure = _figure(4.6, 2.9)
    figure.set_layout_engine("constrained")
    axes = figure.add_subplot()
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(THEME["line"])
    axes.tick_params(colors=THEME["muted"], length=0)
    axes.grid(axis="y", color=THEME["line"], lw=0.8)
    axes.set_axisbelow(True)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(THEME["muted"])
    return figure, axes


def _figure(width: float, height: float) -> Figure:
    """A figure of its own (no pyplot state, no window); sizes in inches."""
    from matplotlib.figure import Figure

    return Figure((width, height))
