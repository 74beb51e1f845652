"""The paper's Figure 2: what both models of a pair make of the same images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datasets.packing import PackedDataset, pack
from datasets.scene import DatasetError
from lds_models.comparison.pairing import Group, Pair
from lds_models.comparison.runs import EvaluatedRun
from lds_models.evaluation import first_scenes
from lds_models.explainer import Explainer
from lds_models.novel_views import OBSERVED_VIEWS
from lds_models.pictures import Panel, panel

NUM_RANDOM = 2


@dataclass(frozen=True)
class SidePanel:
    """One image explained by one model of the pair; `measures` by column."""

    run: EvaluatedRun
    panel: Panel
    measures: dict[str, float]


@dataclass(frozen=True)
class SideBySide:
    """One image explained by both, without LDS first."""

    reason: str
    scene: str
    view: int
    sides: tuple[SidePanel, SidePanel]


@dataclass(frozen=True)
class Grid:
    """Images of a group, seen by its first pair; `missing` says why there are none."""

    examples: tuple[SideBySide, ...] = ()
    missing: str | None = None


def side_by_side(group: Group) -> Grid:
    """Pictures of some images: how they are chosen is a rule that looks at both models' numbers, see `choose`."""
    pair = group.first
    try:
        packed = _images(pair.control)
    except DatasetError as error:
        return Grid(missing=f"The pictures of {group.label} on {group.data} need its images: {error}")
    if packed is None:
        return Grid(missing=f"{pair.control.document['data']} has changed since it was measured: no pictures of it.")
    rows = choose(pair)
    control, lds = (_explained(run, packed, list(rows)) for run in (pair.control, pair.lds))
    return Grid(
        tuple(
            SideBySide(reason, *pair.control.images[row], sides)
            for (row, reason), sides in zip(rows.items(), zip(control, lds, strict=True), strict=True)
        )
    )


def choose(pair: Pair) -> dict[int, str]:
    """Rows of images and why each is shown.

    The image whose duplicates LDS removed with the largest gain, where there is one; those with the largest gain, the
    median change and the largest loss; and some at random. Gain is of mIoU, or of minus the MSE without masks.
    """
    control, lds = pair.control.columns, pair.lds.columns
    gain = lds["miou"] - control["miou"] if pair.control.has_masks else control["mse"] - lds["mse"]
    column = "duplicate" if pair.control.has_masks else "duplicate_latent"
    gone = (control[column] == 1) & (lds[column] == 0)
    order = np.argsort(-gain, kind="stable")
    reasons: dict[int, str] = {}
    if gone.any():
        reasons[int(order[gone[order]][0])] = "duplicates gone"
    for row, reason in ((order[0], "largest gain"), (order[len(order) // 2], "median"), (order[-1], "largest loss")):
        reasons.setdefault(int(row), reason)
    others = [int(row) for row in np.random.default_rng(0).permutation(len(gain)) if int(row) not in reasons]
    return reasons | dict.fromkeys(others[:NUM_RANDOM], "random")


def _images(run: EvaluatedRun) -> PackedDataset | None:
    """The images that a run was evaluated on, or None where the dataset is another by now."""
    document = run.document
    packed = pack(document["data"], document["split"], run.loaded.model.image_size)
    if packed.digest != document["data_digest"]:
        return None
    return first_scenes(packed, document["scenes"])


def _explained(run: EvaluatedRun, packed: PackedDataset, rows: list[int]) -> list[SidePanel]:
    document = run.document
    explainer = Explainer(
        run.loaded.model,
        packed,
        batch_size=document["batch_size"],
        seed=document["seed"],
        observe=document.get("observe") or OBSERVED_VIEWS,
    )
    names = [name for name in ("miou", "fg_ari", "mse") if name in run.columns]
    return [
        SidePanel(
            run, panel(explainer.rows(slice(row, row + 1))), {name: float(run.columns[name][row]) for name in names}
        )
        for row in rows
    ]
