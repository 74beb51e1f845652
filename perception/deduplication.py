"""From slots to objects: what LDS left of duplicates is merged here, and counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import cv2
import numpy as np

from perception.likeness import cosines


@dataclass(frozen=True)
class DeduplicationSettings:
    """When two slots are one object, and when they are none.

    Attributes:
        cosine: least cosine similarity of the latents (posterior means) of slots that are merged.
        presence: mask from which on a slot is taken to show at a pixel.
        reach: by how many pixels of the model's image two slots may lie apart and still touch.
        min_area: share of the image below which nothing is an object.
        part: share of an object's pixels from which on what lies apart from the rest is an object of its own: one slot
            at times shows two objects that look alike. 1: never.
        chroma: greatest angle in radians between the mean colours (RGB, as vectors) of touching slots that are merged
            whatever their latents: lit and shaded sides of one thing. 0: never. Two touching things of one colour
            become one; the background is left alone, or what is grey would be lost on a grey table.
        min_confidence: mean of the mask, over the pixels that it wins, below which nothing is an object but
            becomes background: shadows and outlines, in which the background shows as well.
    """

    cosine: float = 0.9
    presence: float = 0.25
    reach: int = 1
    min_area: float = 0.005
    part: float = 0.2
    chroma: float = 0.0
    min_confidence: float = 0.5

    @classmethod
    def from_card(cls, card: Mapping[str, Any], replacing: Mapping[str, float]) -> DeduplicationSettings:
        """The settings that a model card gives under `deduplication`, with those `replacing` them; else the defaults.

        Raises:
            ValueError: one is given that there is not.
        """
        given = {**card.get("deduplication", {}), **replacing}
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise ValueError(f"there is no setting '{unknown[0]}' of de-duplication, only {', '.join(known)}")
        return cls().changed(given)

    def changed(self, numbers: Mapping[str, float]) -> DeduplicationSettings:
        """With some settings, by their names, replaced."""
        return DeduplicationSettings(**{**asdict(self), **numbers})


@dataclass(frozen=True)
class MergedSlots:
    """The background and N objects, made of one or more slots each, or of a part of one.

    Attributes:
        probabilities: float32 [1+N,H,W]; 0 is the background. Slots that do not show are left out.
        latents: float32 [N,D], of merged slots the mean, weighted by their masks.
        slots: for each object the slots that it is made of.
        duplicates_merged: slots that were merged into another one, the background's among them.
    """

    probabilities: np.ndarray
    latents: np.ndarray
    slots: list[tuple[int, ...]]
    duplicates_merged: int


def merge_duplicates(
    masks: np.ndarray,
    latents: np.ndarray,
    settings: DeduplicationSettings = DeduplicationSettings(),
    image: np.ndarray | None = None,
) -> MergedSlots:
    """Merge slots that show the same thing: alike in their latents, and at the same place or side by side.

    Args:
        masks: float32 [K,H,W], each pixel's probabilities of the slots; see `perception.graphs.conversions`.
        latents: float32 [K,D], posterior means.
        image: uint8 [H,W,3], which they explain; without it, colours say nothing.
    """
    shows = masks >= settings.presence
    min_pixels = max(1, settings.min_area * masks[0].size)
    visible = shows.sum((1, 2)) >= min_pixels
    background = _background(masks)
    visible[background] = True
    same = cosines(latents, latents) >= settings.cosine
    if image is not None and settings.chroma > 0:
        same |= _colours_agree(masks, image, settings.chroma) & _neither(background, len(masks))
    same &= _touching(shows, settings.reach) & visible[:, None] & visible
    groups = _connected(same, visible)
    groups.sort(key=lambda group: background not in group)  # the background first, the others by their first slot
    probabilities = np.stack([masks[list(group)].sum(0) for group in groups])
    unsure = _unsure(probabilities, settings.min_confidence)
    probabilities[0] += probabilities[unsure].sum(0)
    kept = _large_enough(probabilities, [i for i in range(len(groups)) if i not in unsure], min_pixels)
    probabilities, of_group = _apart(probabilities[kept], min_pixels, settings.part)
    objects = [groups[kept[i]] for i in of_group[1:]]
    return MergedSlots(
        probabilities=probabilities,
        latents=np.array([_mean_latent(masks, latents, group) for group in objects]).reshape(-1, latents.shape[1]),
        slots=objects,
        duplicates_merged=sum(len(groups[i]) - 1 for i in kept),
    )


def _background(masks: np.ndarray) -> int:
    """The slot that wins most of the image's area and of its border: what surrounds the objects."""
    slots = len(masks)
    winner = masks.argmax(0)
    border = np.concatenate([winner[0], winner[-1], winner[1:-1, 0], winner[1:-1, -1]])
    share = [np.bincount(part.ravel(), minlength=slots) / part.size for part in (winner, border)]
    return int(np.add(*share).argmax())


def _colours_agree(masks: np.ndarray, image: np.ndarray, chroma: float) -> np.ndarray:
    """Which slots [K,K] have mean colours, over the pixels that they win, of about the same direction."""
    count, winner, pixels = len(masks), masks.argmax(0).ravel(), image.reshape(-1, 3)
    sums = np.stack([np.bincount(winner, pixels[:, channel], count) for channel in range(3)], axis=1)
    lit = sums.sum(1) > 0
    return (cosines(sums, sums) >= np.cos(chroma)) & (lit[:, None] & lit)


def _neither(slot: int, count: int) -> np.ndarray:
    """The pairs [count,count] that a slot is not in."""
    others = np.arange(count) != slot
    return others[:, None] & others


def _touching(shows: np.ndarray, reach: int) -> np.ndarray:
    """Which slots [K,K] overlap or lie at most `reach` pixels apart, given where each shows, bool [K,H,W]."""
    near = shows
    for _ in range(reach):
        near = _grown(near)
    count = len(shows)
    return (near.reshape(count, -1).astype(np.float32) @ shows.reshape(count, -1).astype(np.float32).T) > 0


def _grown(regions: np.ndarray) -> np.ndarray:
    """Regions, bool [K,H,W], one pixel larger on every side, corners included."""
    for axis in (1, 2):
        size = regions.shape[axis]
        padded = np.pad(regions, [(0, 0), *((1, 1) if a == axis else (0, 0) for a in (1, 2))])
        regions = np.logical_or.reduce([padded.take(range(i, i + size), axis) for i in range(3)])
    return regions


def _connected(same: np.ndarray, members: np.ndarray) -> list[tuple[int, ...]]:
    """The connected groups of a graph [K,K] among its `members`, bool [K], in the order of their first member."""
    group_of = np.arange(len(same))
    for a, b in np.argwhere(same):
        group_of[group_of == group_of[b]] = group_of[a]
    groups: dict[int, list[int]] = {}
    for slot in np.flatnonzero(members):
        groups.setdefault(int(group_of[slot]), []).append(int(slot))
    return [tuple(group) for group in groups.values()]


def _unsure(probabilities: np.ndarray, min_confidence: float) -> list[int]:
    """The groups, other than the background, whose mean probability where they win is below `min_confidence`."""
    winner, highest = probabilities.argmax(0).ravel(), probabilities.max(0).ravel()
    areas = np.bincount(winner, minlength=len(probabilities))
    sums = np.bincount(winner, highest, minlength=len(probabilities))
    return [i for i in range(1, len(probabilities)) if sums[i] < min_confidence * areas[i]]


def _large_enough(probabilities: np.ndarray, kept: list[int], min_pixels: float) -> list[int]:
    """Those `kept` when the smallest below `min_pixels` is dropped, again and again; the background, 0, stays."""
    while len(kept) > 1:
        areas = np.bincount(probabilities[kept].argmax(0).ravel(), minlength=len(kept))
        smallest = int(areas[1:].argmin()) + 1
        if areas[smallest] >= min_pixels:
            break
        kept = kept[:smallest] + kept[smallest + 1 :]
    return kept


def _apart(probabilities: np.ndarray, min_pixels: float, part: float) -> tuple[np.ndarray, list[int]]:
    """Objects in several places, as one object a place; and which of the `probabilities` [C,H,W] each was, 0 first."""
    winner = probabilities.argmax(0)
    result, origins = [probabilities[0]], [0]
    for i in range(1, len(probabilities)):
        inside = (winner == i).astype(np.uint8)
        count, components = cv2.connectedComponents(inside, connectivity=8)
        areas = np.bincount(components.ravel(), minlength=count)[1:]
        seeds = np.flatnonzero(areas >= max(min_pixels, part * inside.sum())) + 1
        if len(seeds) < 2:
            result.append(probabilities[i])
            origins.append(i)
            continue
        for territory in _territories(components, seeds):
            result.append(probabilities[i] * territory)
            origins.append(i)
    return np.stack(result), origins


def _territories(components: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """For each of some components of a label image [H,W], the pixels that are nearer to it than to the others."""
    distances = [cv2.distanceTransform((components != seed).astype(np.uint8), cv2.DIST_L2, 5) for seed in seeds]
    nearest = np.argmin(distances, axis=0)
    return nearest == np.arange(len(seeds))[:, None, None]


def _mean_latent(masks: np.ndarray, latents: np.ndarray, group: tuple[int, ...]) -> np.ndarray:
    slots = list(group)
    return np.average(latents[slots], axis=0, weights=masks[slots].sum((1, 2))).astype(np.float32)
