"""Slot traversals: what becomes of a slot when one dimension of its latent is varied and all else stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lds_models.examples import Example
from lds_models.explainer import Explainer
from lds_models.explanation import Explanation

VALUES = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)  # standard deviations of the prior
SLOTS, DIMENSIONS = 2, 3


@dataclass(frozen=True)
class Traversal:
    """One dimension of one slot's latent, taken through VALUES.

    Attributes:
        slot, dimension: counted from 0.
        information: KL of the dimension's posterior from its prior N(0, 1), in nats.
        value: where the image itself has it.
        masks: float32 [V,H,W] of the slot alone.
        appearances: float32 [V,H,W,3].
        reconstructions: float32 [V,H,W,3], the scene with the slot so.
    """

    slot: int
    dimension: int
    information: float
    value: float
    masks: np.ndarray
    appearances: np.ndarray
    reconstructions: np.ndarray

    @property
    def label(self) -> str:
        """Such as "slot 3, z7": slots and dimensions counted from 1."""
        return f"slot {self.slot + 1}, z{self.dimension + 1}"


@dataclass(frozen=True)
class TraversedImage:
    """The traversals of one image's largest objects."""

    example: Example
    traversals: tuple[Traversal, ...]


def traverse(explainer: Explainer, examples: Sequence[Example]) -> TraversedImage | None:
    """Traverse the first example: its slots that win most but for the background, their most informative dimensions.

    Returns:
        None where the model cannot render its latents alone, or no slot is visible.
    """
    example = examples[0]
    explanation = example.explanation
    information = dimension_information(explanation.means[0], explanation.stds[0])
    traversals = []
    for slot in _largest_objects(explanation):
        for dimension in np.argsort(-information[slot], kind="stable")[:DIMENSIONS]:
            latents = np.repeat(explanation.means[:1], len(VALUES), axis=0)
            latents[:, slot, dimension] = VALUES
            try:
                masks, appearances = explainer.render(latents, example.row)
            except NotImplementedError:
                return None
            traversals.append(
                Traversal(
                    slot=int(slot),
                    dimension=int(dimension),
                    information=float(information[slot, dimension]),
                    value=float(explanation.means[0, slot, dimension]),
                    masks=masks[:, slot],
                    appearances=appearances[:, slot],
                    reconstructions=(masks[..., None] * appearances).sum(1),
                )
            )
    return TraversedImage(example, tuple(traversals)) if traversals else None


def dimension_information(mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """KL(N(mean, std^2) || N(0, 1)) of each dimension, in nats (Kingma and Welling 2014, appendix B)."""
    return 0.5 * (mean**2 + std**2 - 1) - np.log(std)


def _largest_objects(explanation: Explanation) -> list[int]:
    """The visible slots that win most pixels; without the largest, the background, unless it is the only one."""
    won = np.bincount(explanation.segmentation[0].ravel(), minlength=explanation.num_slots)
    visible = [slot for slot in np.argsort(-won, kind="stable") if explanation.visible[0, slot]]
    return visible[1 : 1 + SLOTS] or visible
