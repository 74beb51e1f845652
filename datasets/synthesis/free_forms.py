"""Free forms, modelled here as signed distance functions: x forward, z up, in units of an object's size.

Those that stand have their soles at z = -1. They are drawn within the unit sphere, and made as large as the official
set's forms in the end.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from datasets.synthesis.solids import drum, ellipsoid, limb, torus, union, without
from datasets.synthesis.surface import SignedDistance


def dolphin(points: np.ndarray) -> np.ndarray:
    """Leaping, its back arched."""
    spine = [(x, 0, 0.3 - 0.55 * x**2) for x in (-0.95, -0.65, -0.3, 0.05, 0.4, 0.66)]
    girth = (0.05, 0.12, 0.2, 0.24, 0.2, 0.14)
    body = [limb(points, spine[i], spine[i + 1], girth[i], girth[i + 1]) for i in range(len(spine) - 1)]
    beak = limb(points, (0.66, 0, 0.0), (0.97, 0, -0.2), 0.09, 0.05)
    fin = limb(points * [1, 1.8, 1], (0.05, 0, 0.45), (-0.18, 0, 0.68), 0.13, 0.03)
    sides = [points * [1, side, 1] for side in (1, -1)]
    flippers = [limb(each, (0.35, 0.12, 0.1), (0.15, 0.48, -0.15), 0.08, 0.04) for each in sides]
    flukes = [limb(each, (-0.92, 0.03, -0.17), (-1.12, 0.3, -0.26), 0.07, 0.05) for each in sides]
    return union(*body, beak, fin, *flippers, *flukes, blend=0.06)


def horse(points: np.ndarray) -> np.ndarray:
    """Standing."""
    body = limb(points, (-0.42, 0, 0.12), (0.36, 0, 0.12), 0.27, 0.25)
    neck = limb(points, (0.45, 0, 0.25), (0.68, 0, 0.72), 0.18, 0.12)
    head = limb(points, (0.68, 0, 0.78), (0.98, 0, 0.56), 0.13, 0.08)
    sides = [points * [1, side, 1] for side in (1, -1)]
    ears = [limb(each, (0.6, 0.07, 0.88), (0.58, 0.09, 1.0), 0.05, 0.03) for each in sides]
    legs = [limb(e, (x, 0.15, 0.0), (x + 0.02, 0.15, -0.93), 0.12, 0.07) for e in sides for x in (-0.45, 0.36)]
    tail = limb(points, (-0.64, 0, 0.25), (-0.86, 0, -0.35), 0.06, 0.08)
    return union(body, neck, head, *ears, *legs, tail)


def duck(points: np.ndarray) -> np.ndarray:
    """Swimming on the floor."""
    body = ellipsoid(points, (-0.05, 0, -0.45), (0.8, 0.58, 0.55))
    tail = limb(points, (-0.6, 0, -0.3), (-0.88, 0, 0.02), 0.22, 0.07)
    head = ellipsoid(points, (0.38, 0, 0.4), (0.42, 0.4, 0.42))
    beak = ellipsoid(points, (0.85, 0, 0.33), (0.24, 0.2, 0.09))
    wings = [ellipsoid(points * [1, side, 1], (-0.1, 0.5, -0.35), (0.45, 0.14, 0.26)) for side in (1, -1)]
    return union(union(body, tail, head, *wings, blend=0.15), beak, blend=0.04)


def mug(points: np.ndarray) -> np.ndarray:
    """With one handle."""
    handle = without(torus(points, (0.75, 0, 0), 0.42, 0.1), drum(points, -1, 1, 0.7))
    return np.minimum(without(drum(points, -1, 1, 0.75), drum(points, -0.85, 1.5, 0.63)), handle)


def teapot(points: np.ndarray) -> np.ndarray:
    """Spout forward."""
    belly = ellipsoid(points, (0, 0, -0.4), (0.55, 0.55, 0.5))
    foot = drum(points, -1, -0.85, 0.35)
    lid, knob = ellipsoid(points, (0, 0, 0.06), (0.32, 0.32, 0.1)), ellipsoid(points, (0, 0, 0.2), (0.1, 0.1, 0.1))
    spout = limb(points, (0.4, 0, -0.45), (0.93, 0, 0.05), 0.17, 0.08)
    handle = torus(points, (-0.58, 0, -0.32), 0.3, 0.07)
    return union(belly, foot, lid, knob, spout, handle)


def rabbit(points: np.ndarray) -> np.ndarray:
    """Sitting up."""
    body = ellipsoid(points, (-0.12, 0, -0.5), (0.55, 0.45, 0.5))
    head = ellipsoid(points, (0.3, 0, 0.1), (0.36, 0.3, 0.31))
    scut = ellipsoid(points, (-0.7, 0, -0.62), (0.16, 0.16, 0.16))
    sides = [points * [1, side, 1] for side in (1, -1)]
    ears = [limb(each, (0.2, 0.13, 0.3), (0.02, 0.22, 0.88), 0.11, 0.08) for each in sides]
    paws = [limb(each, (0.05, 0.28, -0.85), (0.5, 0.26, -0.9), 0.16, 0.1) for each in sides]
    return union(body, head, scut, *ears, *paws, blend=0.12)


def enlarged(solid: SignedDistance, factor: float, kept_height: float, points: np.ndarray) -> np.ndarray:
    """Distances to a solid made larger; what is at `kept_height` stays there."""
    kept = np.array([0, 0, kept_height])
    return factor * solid((points - kept) / factor + kept)


FREE_FORMS = {
    "dolphin": partial(enlarged, dolphin, 1.55, 0.2),
    "horse": partial(enlarged, horse, 1.25, -1),
    "duck": partial(enlarged, duck, 1.3, -1),
    "mug": partial(enlarged, mug, 1.15, -1),
    "teapot": partial(enlarged, teapot, 1.2, -1),
    "rabbit": partial(enlarged, rabbit, 1.3, -1),
}
FOOTPRINTS = {"dolphin": 1.87, "horse": 1.32, "duck": 1.42, "mug": 1.46, "teapot": 1.21, "rabbit": 1.12}
