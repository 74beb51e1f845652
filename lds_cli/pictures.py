"""Looking at pictures that were segmented: what a camera does wrong, or a model does not know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    import numpy as np

    from perception.segmentation import Region, Segmentation
    from perception.segmenter import Segmenter
    from perception.suitability import Picture

LOOKED_AT = 50  # pictures, evenly chosen, unless another number is asked for


def parsed_region(region: str | None) -> Region | None:
    """What --region says. Raises typer.BadParameter."""
    from perception.segmentation import Region

    try:
        return None if region is None else Region.parse(region)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--region") from error


def is_looked_at(number: int, count: int, most: int = LOOKED_AT) -> bool:
    """Whether a picture, by its place among `count`, is one of the `most` that are evenly chosen."""
    return number % max(1, -(-count // most)) == 0


def picture_of(image: np.ndarray, found: Segmentation, segmenter: Segmenter) -> Picture:
    """What is to be known of an image, uint8 [H,W,3]: of the segmenter's region in it, where there is one."""
    from capture.picture import brightness, clipped_shares, sharpness
    from perception.suitability import Picture, reconstruction_error

    shown = image if segmenter.region is None else image[segmenter.region.window]
    height, width = shown.shape[:2]
    white, black = clipped_shares(shown)
    error = reconstruction_error(segmenter.loaded.model, shown)
    return Picture(
        (height, width), brightness(shown), white, black, sharpness(shown), error, len(found.objects), found.is_full
    )


def problems(pictures: Sequence[Picture], segmenter: Segmenter) -> list[str]:
    """See `perception.suitability.findings`."""
    from perception.suitability import findings, usual_error

    model = segmenter.loaded.model
    return findings(pictures, model.image_size, model.num_slots, usual_error(segmenter.loaded.card))
