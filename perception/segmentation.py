"""What is found in one image: labels, and the objects that they stand for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ObjectSegment:
    """One object in one image. Pixel coordinates: x right, y down, (0, 0) the centre of the top left pixel.

    Attributes:
        id: the object's value in the label image, from 1 on.
        box: x, y, width, height of the smallest upright rectangle around its pixels.
        area: number of its pixels.
        centroid: x, y, mean position of its pixels.
        confidence: mean of its slots' mask over the pixels where it shows at the model's resolution, 0 to 1.
        latent: float32 [D].
        slots_merged: number of slots that it is made of; more than 1 where duplicates were merged.
    """

    id: int
    box: tuple[int, int, int, int]
    area: int
    centroid: tuple[float, float]
    confidence: float
    latent: np.ndarray
    slots_merged: int


@dataclass(frozen=True)
class Region:
    """A part of an image: its top left pixel, and its size, in pixels."""

    x: int
    y: int
    width: int
    height: int

    @classmethod
    def parse(cls, value: str | Iterable[str | float]) -> Region:
        """Of four whole numbers, or a text of such, as parameters have it.

        Raises:
            ValueError: it is something else.
        """
        try:
            numbers = [int(part) for part in (value.replace(",", " ").split() if isinstance(value, str) else value)]
            region = cls(*numbers)
        except (TypeError, ValueError) as error:
            raise ValueError(f"a region is four whole numbers, x y width height in pixels; got {value!r}") from error
        if min(numbers) < 0 or not region.width or not region.height:
            raise ValueError(f"a region has no negative numbers and is not empty; got {value!r}")
        return region

    @property
    def window(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)


@dataclass(frozen=True)
class Segmentation:
    """The objects of one image.

    Attributes:
        labels: int32 [H,W] at the camera's resolution; 0 is background, else an object's id.
        objects: in ascending order of id.
        duplicates_merged: slots that showed what another one showed, and were merged into it.
        seen: the square that the model saw; outside of it all is background.
        is_full: whether the model had no slot left for another object; see `perception.fullness`.
    """

    labels: np.ndarray
    objects: list[ObjectSegment]
    duplicates_merged: int
    seen: Region
    is_full: bool = False
