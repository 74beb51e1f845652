"""The comparison's charts: the paper's Figures 1 and 3, the scatter of Table 2, the ablation's Figure 2, curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from lds_models.comparison.compared import Compared, Comparison
from lds_models.comparison.curves import SHOWN, Curve
from lds_models.comparison.gaps import GapDrop
from lds_models.comparison.numbers import Summary, summarise
from lds_models.comparison.pairing import DEFAULT_SIGMA, Ablation, Group
from lds_models.comparison.runs import EvaluatedRun
from lds_models.figures import THEME, chart, new_figure, style_axes
from lds_models.measures import METRICS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Setting = TypeVar("Setting")  # of an ablation's runs: sigma, or K in training and in testing

CONTROL, LDS = THEME["muted"], THEME["accent"]
BAR = 0.34
DOT_LIMIT = 4000  # dots of a scatter that stay drawn one by one in the page


def bars(compared: Sequence[Compared], name: str) -> Figure | None:
    """A measure of every model without and with LDS, the paper's values as hollow diamonds (Figure 1; Figure 3 right).

    Whiskers: one standard deviation over the seeds, or the interval over images where there is one seed.
    """
    shown = [(one.group.label, one.contrasts[name]) for one in compared if name in one.contrasts]
    if not shown:
        return None
    figure, axes = chart()
    for place, (_, contrast) in enumerate(shown):
        for arm, (summary, colour) in enumerate(((contrast.control, CONTROL), (contrast.lds, LDS))):
            x = place + (arm - 0.5) * (BAR + 0.04)
            axes.bar(x, summary.mean, BAR, color=colour)
            axes.errorbar(x, summary.mean, whiskers(summary), color=THEME["ink"], lw=1.1, capsize=2.5)
            _above(axes, x, summary, f"{summary.mean:{contrast.metric.spec}}")
            if contrast.paper:
                axes.plot(x, contrast.paper[arm][0], "D", ms=5.5, mfc="none", mec=THEME["second"], mew=1.4)
    metric = shown[0][1].metric
    axes.set_xticks(range(len(shown)), [label for label, _ in shown], color=THEME["ink"])
    axes.set(ylabel=f"{metric.label}, {metric.better} is better", xlim=(-0.6, max(len(shown), 2) - 0.4))
    axes.margins(y=0.14)
    if metric.spec.endswith("%"):
        axes.yaxis.set_major_formatter("{x:.0%}")
    _arms_legend(axes, any(contrast.paper for _, contrast in shown))
    return figure


def similarity_drop(compared: Sequence[Compared]) -> Figure | None:
    """dSim+ = Sim0 - Sim+ of every model, with its interval over images (Figure 3, left)."""
    shown = [(one.group.label, one.contrasts["sim"].difference) for one in compared if "sim" in one.contrasts]
    if not shown:
        return None
    figure, axes = chart()
    for place, (_, difference) in enumerate(shown):
        drop = -difference.mean
        bounds = np.array([[difference.high - difference.mean], [difference.mean - difference.low]])
        axes.bar(place, drop, BAR * 1.4, color=LDS)
        axes.errorbar(place, drop, np.nan_to_num(bounds), color=THEME["ink"], lw=1.1, capsize=2.5)
        top = max(-difference.low if np.isfinite(difference.low) else drop, 0)
        _label(axes, place, top, f"{drop:+.3f}")
    axes.axhline(0, color=THEME["ink"], lw=0.9)
    axes.set_xticks(range(len(shown)), [label for label, _ in shown], color=THEME["ink"])
    axes.set(ylabel="ΔSim⁺, above 0 is better", xlim=(-0.6, max(len(shown), 2) - 0.4))
    axes.margins(y=0.14)
    return figure


def gap_scatter(gap: GapDrop) -> Figure:
    """dG+ of every image (or scene) with its mean, and beside it how it is spread (Table 2, left)."""
    figure = new_figure(9.6, 3.2)
    figure.set_layout_engine("constrained")
    axes, side = figure.subplots(1, 2, sharey=True, width_ratios=(4, 1))
    for part in (axes, side):
        style_axes(part)
    colour = THEME["better" if gap.mean.mean > 0 else "second"]
    shown = np.flatnonzero(np.isfinite(gap.drop))
    _dots(axes, shown, gap.drop[shown], THEME["duplicate"])
    side.hist(gap.drop[shown], bins=30, orientation="horizontal", color=THEME["duplicate"], rwidth=0.9)
    for part in (axes, side):
        part.axhline(0, color=THEME["ink"], lw=0.9, ls=(0, (4, 3)))
        part.axhline(gap.mean.mean, color=colour, lw=1.8)
    axes.annotate(
        f"mean {gap.mean.mean:+.4g}", (0.99, gap.mean.mean), xycoords=("axes fraction", "data"), xytext=(0, 4),
        textcoords="offset points", ha="right", color=colour, weight="bold",
    )  # fmt: skip
    axes.set(xlabel=f"test {gap.unit}", ylabel="ΔG⁺ in nats, above 0 is better")
    side.set_xlabel(f"{gap.unit}s")
    axes.margins(x=0.01)
    return figure


def correlation(gap: GapDrop, column: str) -> Figure:
    """A measure of the model with LDS against dG+, dot by dot."""
    figure, axes = chart()
    values = gap.measures[column]
    _dots(axes, gap.drop, values, LDS)
    axes.set(xlabel="ΔG⁺ in nats", ylabel=METRICS[column].label)
    return figure


def over_sigma(ablation: Ablation, column: str) -> Figure | None:
    """A measure against LDS's sigma (the ablation's Figure 2, left)."""
    points = _points(ablation.by_sigma, column)
    if len(points) < 2:
        return None
    figure, axes = chart()
    _line(axes, [f"{sigma:g}" for sigma in points], list(points.values()), LDS, None)
    axes.set(xlabel=f"σ of the LDS prior (the paper's: {DEFAULT_SIGMA:g})", ylabel=METRICS[column].label)
    axes.margins(x=0.08, y=0.25)
    return figure


def over_slots(ablation: Ablation, column: str) -> Figure | None:
    """A measure against K in testing, a line for each K in training (the ablation's Figure 2, right)."""
    points = _points(ablation.by_slots, column)
    if len(points) < 2:
        return None
    figure, axes = chart()
    trained = sorted({trained for trained, _ in points})
    colours = (LDS, THEME["second"], THEME["muted"])
    for index, slots in enumerate(trained):
        tested = {test: summary for (train, test), summary in points.items() if train == slots}
        _line(axes, list(tested), list(tested.values()), colours[index % len(colours)], f"trained with K = {slots}")
    axes.set(xlabel="K in testing", ylabel=METRICS[column].label)
    axes.set_xticks(sorted({test for _, test in points}))
    axes.margins(x=0.08, y=0.25)
    _legend(axes)
    return figure


def curve_chart(curves: Sequence[Curve], name: str) -> Figure:
    """A curve of training, one line a run."""
    figure, axes = chart()
    for has_lds, colour in ((False, CONTROL), (True, LDS)):
        for index, curve in enumerate(c for c in curves if c.has_lds == has_lds):
            label = ("with LDS" if has_lds else "without LDS") if index == 0 else None
            axes.plot(curve.steps, curve.values, color=colour, lw=1.6, label=label)
    axes.set(xlabel="training step", ylabel=SHOWN[name])
    axes.margins(x=0.02)
    _legend(axes)
    return figure


def whiskers(summary: Summary) -> np.ndarray:
    """How far a bar's whiskers reach down and up, [2,1]; 0 where nothing is known."""
    if summary.seeds > 1:
        return np.full((2, 1), summary.std)
    return np.nan_to_num(np.array([[summary.mean - summary.low], [summary.high - summary.mean]]))


def all_charts(comparison: Comparison) -> dict[str, Figure]:
    """All charts of a comparison by file name."""
    found: dict[str, Figure | None] = {}
    for data, compared in comparison.by_data.items():
        for name in ("miou", "mse"):
            found[f"figure1_{slug(data)}_{name}"] = bars(compared, name)
        found[f"figure3_{slug(data)}_similarity"] = similarity_drop(compared)
        for name in ("duplicate_rate", "duplicate_rate_latent"):
            found[f"figure3_{slug(data)}_{name}"] = bars(compared, name)
    for one in comparison.compared:
        of = key(one.group)
        if one.gap:
            found[f"table2_{of}_gap"] = gap_scatter(one.gap)
            found |= {f"table2_{of}_against_{column}": correlation(one.gap, column) for column in one.gap.correlations}
        found |= {f"curves_{of}_{name}": curve_chart(curves, name) for name, curves in one.curves.items()}
    for ablation in comparison.ablations:
        of = key(ablation)
        for column in ("miou", "mse"):
            found[f"ablation_{of}_sigma_{column}"] = over_sigma(ablation, column)
            found[f"ablation_{of}_slots_{column}"] = over_slots(ablation, column)
    return {name: figure for name, figure in found.items() if figure is not None}


def key(shown: Group | Ablation) -> str:
    """The part of a file's name that says which model on which dataset."""
    return slug(f"{shown.data} {shown.label}")


def slug(text: str) -> str:
    """A name for files: lower case, words joined by underscores."""
    return "_".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


def _points(runs: dict[Setting, list[EvaluatedRun]], column: str) -> dict[Setting, Summary]:
    """Setting -> summary of the runs at it, where they have the column."""
    if not all(column in run.columns for same in runs.values() for run in same):
        return {}
    found = {
        setting: summarise(np.stack([run.columns[column] for run in same]), same[0].columns["scene"])
        for setting, same in runs.items()
    }
    return {setting: summary for setting, summary in found.items() if summary is not None}


def _line(axes: Axes, xs: list, summaries: list[Summary], colour: str, label: str | None) -> None:
    spread = np.hstack([whiskers(summary) for summary in summaries])
    means = [summary.mean for summary in summaries]
    axes.errorbar(xs, means, spread, fmt="o-", color=colour, lw=1.8, ms=5, elinewidth=1.1, capsize=2.5, label=label)


def _dots(axes: Axes, xs: np.ndarray, ys: np.ndarray, colour: str) -> None:
    """Draw dots: the more there are the smaller, and very many as one picture."""
    count = len(xs)
    axes.plot(xs, ys, ".", color=colour, ms=5 if count > 500 else 8, alpha=0.7, mew=0, rasterized=count > DOT_LIMIT)


def _above(axes: Axes, x: float, summary: Summary, text: str) -> None:
    _label(axes, x, summary.mean + float(whiskers(summary)[1, 0]), text)


def _label(axes: Axes, x: float, y: float, text: str) -> None:
    axes.annotate(
        text, (x, y), xytext=(0, 3), textcoords="offset points", ha="center", color=THEME["ink"], fontsize="small"
    )


def _arms_legend(axes: Axes, with_paper: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list = [Patch(color=CONTROL, label="without LDS"), Patch(color=LDS, label="with LDS")]
    if with_paper:
        second = THEME["second"]
        handles.append(Line2D([], [], label="the paper's", marker="D", ls="", ms=5.5, mfc="none", mec=second, mew=1.4))
    _legend(axes, handles=handles)


def _legend(axes: Axes, **settings: object) -> None:
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, frameon=False, fontsize="small",
        labelcolor=THEME["muted"], handlelength=1.2, columnspacing=1.4, borderaxespad=0.2, **settings,
    )  # fmt: skip
