"""The report's pictures as arrays: the paper's Figure 2, and the views of a scene, observed and unseen."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np

from datasets.palette import object_colours
from lds_models.explanation import Explanation
from lds_models.metrics.duplicates import LATENT_COSINE, MIN_PIXELS, OVERLAP_SHARE, latent_slots, overlap_slots
from lds_models.metrics.segmentation import match
from lds_models.traversals import Traversal

BACKGROUND = (205, 210, 218)
CHECKER = (122, 132)  # grey levels behind a slot's masked appearance
VIEWS_A_LINE = 10


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


@dataclass(frozen=True)
class View:
    """One view of a scene: its number there, whether the model was shown it, and its pictures by name, uint8 [H,W,3].

    The pictures are `image`, `rendered`, `segmented` and, with masks, `truth`.
    """

    number: int
    observed: bool
    pictures: dict[str, np.ndarray]


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


def views(explanation: Explanation) -> list[View]:
    """The pictures of all views of a scene, those observed first; an object has one colour in all of them."""
    e = explanation
    of_regions, of_slots = _colours(e)
    pictures = {"image": _to_uint8(e.images), "rendered": _to_uint8(e.reconstruction)}
    pictures["segmented"] = of_slots[e.segmentation]
    if e.truth is not None:
        pictures["truth"] = of_regions[e.truth]
    return [
        View(int(v), bool(e.observed[v]), {name: of_views[v] for name, of_views in pictures.items()})
        for v in np.argsort(~e.observed, kind="stable")
    ]


def lines_of_views(explanation: Explanation) -> list[tuple[list[View], list[View]]]:
    """The observed and the unseen views of each line of a page: as many as stand side by side, until all are shown."""
    shown = views(explanation)
    lines = [shown[start : start + VIEWS_A_LINE] for start in range(0, len(shown), VIEWS_A_LINE)]
    return [([v for v in line if v.observed], [v for v in line if not v.observed]) for line in lines]


def traversal(shown: Traversal) -> list[tuple[np.ndarray, np.ndarray]]:
    """At each value of the dimension: the scene, and the slot alone over a checkerboard, uint8 [H,W,3]."""
    alone = _over_checker(shown.appearances, shown.masks)
    return list(zip(_to_uint8(shown.reconstructions), alone, strict=True))


def duplicate_rule(has_masks: bool) -> str:
    """In words, which slots are marked."""
    if has_masks:
        return (
            f"slots that each hold at least {OVERLAP_SHARE:.0%} of one true region "
            f"(and at least {MIN_PIXELS} pixels of a 64×64 image)"
        )
    return f"visible slots whose latents have a cosine similarity of {LATENT_COSINE} or more"


def data_uri(picture: np.ndarray) -> str:
    """A uint8 [H,W,3] picture as a data: address of a PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return image_uri(buffer.getvalue(), "png")


def image_uri(content: bytes, kind: str) -> str:
    """An image file's content as a data: address; its kind is png, gif, ..."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _duplicates(e: Explanation) -> np.ndarray:
    """The slots to mark, bool [K]: by ground truth where there is one, by their latents otherwise."""
    if e.table is not None:
        return overlap_slots(e.table, e.pixel_floor)[0]
    return latent_slots(e.cosines_of_means, e.visible)[0]


def _colours(e: Explanation) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [R,3] and [K,3]; a slot has the colour of the region that it is matched to, the others have their own.

    Slots and regions are matched over all of the images together: colours keep their objects in all views of a scene.
    """
    if e.table is None:
        colours = object_colours(e.num_slots)
        colours[np.bincount(e.segmentation.ravel()).argmax()] = BACKGROUND  # most likely: the slot that wins most
        return colours[:0], colours
    palette = np.insert(object_colours(e.num_regions - 1 + e.num_slots), 0, BACKGROUND, axis=0)
    regions, slots = palette[: e.num_regions], palette[e.num_regions :]
    matched = match(e.table.sum(0, keepdims=True))[0]
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
