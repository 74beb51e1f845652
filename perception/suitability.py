"""Whether a camera's pictures are such as a model was trained on, and what to do where they are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from datasets.square import square
from lds_models.model import SceneModel

FEW = 0.2  # share of the pictures that may be odd without a word
SMALLEST = 0.9  # of the model's image size that the middle square must have
MIN_BRIGHTNESS, MAX_CLIPPED, MIN_SHARPNESS = 40.0, 0.4, 18.0


@dataclass(frozen=True)
class Picture:
    """What was measured of one picture.

    Attributes:
        size: height and width, pixels.
        brightness: mean level, 0 to 255.
        white, black: shares of pixels that are clipped.
        sharpness: see `capture.picture.sharpness`; NaN where it shows no edge.
        error: mean squared error of the model's reconstruction, RGB in [0,1].
        objects: how many were found.
        is_full: whether the model had no slot left for another object.
    """

    size: tuple[int, int]
    brightness: float
    white: float
    black: float
    sharpness: float
    error: float
    objects: int
    is_full: bool


def reconstruction_error(model: SceneModel, image: np.ndarray) -> float:
    """Mean squared error of the model's reconstruction of an image, uint8 [H,W,3], as it sees it."""
    small = torch.from_numpy(square(image, model.image_size)).permute(2, 0, 1)[None, None].float() / 255
    with torch.no_grad():
        reconstruction = model.infer(small).reconstruction
    return float((reconstruction - small).square().mean())


def usual_error(card: Mapping[str, Any]) -> float | None:
    """The reconstruction error that 99 of 100 images of the kind trained on stay below; None: not known."""
    return card.get("domain", {}).get("mse_p99")


def findings(pictures: Sequence[Picture], image_size: int, num_slots: int, usual: float | None) -> list[str]:
    """What is wrong with pictures and what to do, one sentence each; none: they suit the model.

    Args:
        image_size: of the model, pixels.
        num_slots: K of the model.
        usual: see `usual_error`.
    """
    found = []

    def share(odd: Sequence[bool]) -> str | None:
        """How many, in words, where they are more than a few."""
        count = sum(odd)
        return f"{count} of {len(odd)} pictures" if count > FEW * len(odd) else None

    if many := share([min(p.size) < SMALLEST * image_size for p in pictures]):
        found.append(f"{many} are smaller than the {image_size} pixels that the model sees: set the camera to more")
    if many := share([p.brightness < MIN_BRIGHTNESS for p in pictures]):
        found.append(f"{many} are dark: add light, or expose for longer")
    if many := share([p.white > MAX_CLIPPED for p in pictures]):
        found.append(f"{many} are overexposed: expose for less, until a white table is just below white")
    if many := share([p.sharpness < MIN_SHARPNESS for p in pictures]):
        found.append(f"{many} are blurred: focus on the table, and let the camera stand still")
    if usual is None:
        found.append(
            "the weights' card does not tell how well they draw images of their own kind: nothing to compare with; of "
            "an own run, give its command again with --resume, which measures it"
        )
    elif many := share([p.error > usual for p in pictures]):
        times = float(np.median([p.error for p in pictures])) / usual
        found.append(
            f"{many} are unlike what the model was trained on (its reconstruction is off by {times:.1f} times what it "
            "nearly always stays below): bring table, light and distance nearer to the training scenes, show only the "
            "table (--region), or train on your own scenes (start_from)"
        )
    if many := share([p.objects == 0 for p in pictures]):
        found.append(f"nothing was found in {many}: are there objects, and are they large enough?")
    if many := share([p.is_full for p in pictures]):
        found.append(
            f"in {many} all {num_slots} slots are in use: at most {num_slots - 1} objects can be told apart, and more "
            "are merged: show fewer, or give the model more slots (lds weights publish --slots, or train with "
            "model.num_slots)"
        )
    return found
