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
# Surface colours, RGB in [0,1], with which pictures come nearest to the official ones (docs/datasets.md). No
# grey may be exactly 0.5: that is MuJoCo's default, which gives way to the material's white.
COLOURS = {
    "gray": (0.51, 0.51, 0.51),
    "red": (0.68, 0.32, 0.32),
    "blue": (0.36, 0.47, 0.75),
    "green": (0.30, 0.54, 0.25),
    "brown": (0.62, 0.48, 0.30),
    "purple": (0.63, 0.36, 0.73),
    "cyan": (0.35, 0.73, 0.73),
    "yellow": (0.83, 0.79, 0.38),
}
_HALF_SIDE = 3.0  # of the square that objects' centres stand in
_DRAWS = 1000  # of places, before other shapes and sizes are tried
_GAP = 0.1  # at least this much floor between the circles that objects turn in


@dataclass(frozen=True)
class Family:
    """What the objects of a kind of scenes are like.

    Attributes:
        kind: the kind of scenes.
        sizes: radius of an object of each size: half its height, and how high its centre is above the floor. Metres.
        primitives: MuJoCo's own shapes, by CLEVR's names.
        forms: shapes given as solids, in units of the size, beside them.
        footprints: radius of the circle that a shape turns in, in units of its size, where it is not 1.
    """

    kind: str
    sizes: Mapping[str, float]
    primitives: Mapping[str, str]
    forms: Mapping[str, SignedDistance] = field(default_factory=dict)
    footprints: Mapping[str, float] = field(default_factory=lambda: {"cube": 2**0.5})

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
    count = int(rng.integers(MIN_OBJECTS, MAX_OBJECTS + 1))
    while True:
        shapes, sizes = rng.choice(family.shapes, count).tolist(), rng.choice(list(family.sizes), count).tolist()
        reaches = [
            family.sizes[size] * family.footprints.get(shape, 1) for shape, size in zip(shapes, sizes, strict=True)
        ]
        places = _free_places(rng, np.array(reaches))
        if places is not None:
            return [_painted(rng, family, *each) for each in zip(shapes, sizes, places, strict=True)]


def _painted(rng: np.random.Generator, family: Family, shape: str, size: str, place: np.ndarray) -> ClevrObject:
    material, colour = str(rng.choice(MATERIALS)), str(rng.choice(list(COLOURS)))
    return ClevrObject(shape, size, material, colour, np.append(place, family.sizes[size]), rng.uniform(0, 2 * np.pi))


def _free_places(rng: np.random.Generator, reaches: np.ndarray) -> np.ndarray | None:
    """Places [N,2] in the square of circles with radii [N], a gap between them; None where many draws found none."""
    places = rng.uniform(-_HALF_SIDE, _HALF_SIDE, (_DRAWS, len(reaches), 2))
    distances = np.linalg.norm(places[:, :, None] - places[:, None], axis=-1) + np.diag(np.full(len(reaches), np.inf))
    apart = (distances > reaches[:, None] + reaches + _GAP).all((1, 2))
    return places[apart.argmax()] if apart.any() else None
