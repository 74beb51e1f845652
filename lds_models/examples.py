"""Which images and scenes an evaluation keeps for its pictures: the best, the median, the worst, and some at random."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lds_models.explainer import Explainer
from lds_models.explanation import Explanation

NUM_RANDOM_EXAMPLES = 3


@dataclass(frozen=True)
class Example:
    """One image kept for the pictures; `explanation` holds it alone (N = 1), `row` is its place in the rows."""

    reason: str
    row: int
    explanation: Explanation


@dataclass(frozen=True)
class SceneExample:
    """All views of a scene that has unseen ones.

    Attributes:
        name: the scene's.
        explanation: of its V views, N = V.
        observed, unseen: means over its views of either kind, `miou` (with masks) and `mse`.
    """

    reason: str
    name: str
    explanation: Explanation
    observed: dict[str, float]
    unseen: dict[str, float]


def choose_examples(explainer: Explainer, rows: dict[str, np.ndarray], seed: int) -> list[Example]:
    """Best, median and worst image by mIoU (by MSE without masks), and some random others."""
    images = len(rows["view"])
    reasons = _best_median_worst(rows, np.arange(images)[:, None])
    others = [int(row) for row in np.random.default_rng(seed).permutation(images) if row not in reasons]
    reasons |= dict.fromkeys(others[:NUM_RANDOM_EXAMPLES], "random")
    return [Example(reason, row, explainer.rows(slice(row, row + 1))) for row, reason in reasons.items()]


def choose_scenes(explainer: Explainer, rows: dict[str, np.ndarray], first_view: np.ndarray) -> list[SceneExample]:
    """Best, median and worst scene by the mIoU (the MSE without masks) of its unseen views, of those that have any.

    Args:
        first_view: [S+1], see `PackedDataset`.
    """
    unseen = [
        start + np.flatnonzero(~explainer.observed[start:stop])
        for start, stop in zip(first_view[:-1], first_view[1:], strict=True)
    ]
    candidates = [scene for scene, views in enumerate(unseen) if len(views)]
    if not candidates:
        return []
    reasons = _best_median_worst(rows, [unseen[scene] for scene in candidates])
    examples = []
    for index, reason in reasons.items():
        views = slice(*(int(edge) for edge in first_view[candidates[index] : candidates[index] + 2]))
        of_scene: dict[str, np.ndarray] = {column: rows[column][views] for column in ("miou", "mse") if column in rows}
        shown = explainer.observed[views]
        observed, hidden = ({c: float(v[kind].mean()) for c, v in of_scene.items()} for kind in (shown, ~shown))
        examples.append(SceneExample(reason, str(rows["scene"][views.start]), explainer.rows(views), observed, hidden))
    return examples


def _best_median_worst(rows: dict[str, np.ndarray], groups: Iterable[np.ndarray]) -> dict[int, str]:
    """Which of the groups (of row numbers) are best, median and worst by mIoU, or by MSE without masks, and why."""
    errors = -rows["miou"] if "miou" in rows else rows["mse"]
    order = np.argsort([errors[group].mean() for group in groups], kind="stable")
    chosen = {"best": order[0], "median": order[len(order) // 2], "worst": order[-1]}
    reasons = {int(group): reason for reason, group in reversed(chosen.items())}
    return dict(reversed(reasons.items()))
