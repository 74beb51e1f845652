"""CLEVR's objects, and how they are strewn: what `clevr_mv` and `dolphin` scenes hold.

Johnson et al., "CLEVR", CVPR 2017, in the multi-view form of Nanbo Li et al. (MulMON, NeurIPS 2020).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from datasets.synthesis.surface import SignedDistance

MIN_OBJECTS, MAX_OBJECTS = 2, 5
MATERIALS = ("rubber", "metal")
# Surface colours, RGB in [0,1], with which pictures come nearest to the official ones (docs/datasets.md).
COLOURS = {
    "gray": (0.42, 0.42, 0.42),
    "red": (0.62, 0.22, 0.22),
    "blue": (0.24, 0.35, 0.65),
    "green": (0.19, 0.44, 0.14),
    "brown": (0.53, 0.37, 0.17),
    "purple": (0.53, 0.24, 0.63),
    "cyan": (0.24, 0.64, 0.64),
    "yellow": (0.77, 0.74, 0.27),
}
_HALF_SIDE = 3.0  # of the square that objects' centres stand in
_GAP = 0.1  # at least this much floor between the circles that objects turn in
_ROUND_FOOTPRINTS = {"cube": 2**0.5}  # radius of the circle that a shape turns in, in units of its size; else 1


@dataclass(frozen=True)
class Family:
    """What the objects of a kind of scenes are like.

    Attributes:
        kind: the kind of scenes.
        sizes: radius of an object of each size: half its height, and how high its centre is above the floor. Metres.
        forms: shapes given as solids within about the unit sphere, beside MuJoCo's own.
        primitives: MuJoCo's own shapes, by CLEVR's names.
    """

    kind: str
    sizes: Mapping[str, float]
    primitives: Mapping[str, str]
    forms: Mapping[str, SignedDistance] = field(default_factory=dict)

    @property
    def shapes(self) -> list[str]:
        return [*self.primitives, *self.forms]


@dataclass(frozen=True)
class ClevrObject:
    """One object; its position in metres, its rotation about z in radians."""

    shape: str
    size: str
    material: str
    colour: str
    position: np.ndarray
    rotation: float

    def description(self) -> dict[str, Any]:
        """As `Scene.objects` and the official layout have it."""
        kind = {"shape": self.shape, "size": self.size, "material": self.material, "color": self.colour}
        return {**kind, "rotation": self.rotation, "position": self.position.tolist()}


def random_objects(rng: np.random.Generator, family: Family) -> list[ClevrObject]:
    """2-5 objects of any colours, in a square of 6 m about the origin; none touches another."""
    objects: list[ClevrObject] = []
    reaches: list[float] = []
    for _ in range(rng.integers(MIN_OBJECTS, MAX_OBJECTS + 1)):
        shape, size = str(rng.choice(family.shapes)), str(rng.choice(list(family.sizes)))
        radius = family.sizes[size]
        reach = radius * _ROUND_FOOTPRINTS.get(shape, 1.0)
        place = _free_place(rng, reach, objects, reaches)
        material, colour = str(rng.choice(MATERIALS)), str(rng.choice(list(COLOURS)))
        objects.append(ClevrObject(shape, size, material, colour, np.append(place, radius), rng.uniform(0, 2 * np.pi)))
        reaches.append(reach)
    return objects


def _free_place(rng: np.random.Generator, reach: float, others: list[ClevrObject], reaches: list[float]) -> np.ndarray:
    while True:  # five objects cover less than half of the square
        place = rng.uniform(-_HALF_SIDE, _HALF_SIDE, 2)
        pairs = zip(others, reaches, strict=True)
        if all(np.linalg.norm(place - other.position[:2]) > reach + its + _GAP for other, its in pairs):
            return place
