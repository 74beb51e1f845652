"""Objects drawn over the image they were found in."""

from __future__ import annotations

import cv2
import numpy as np

from datasets.palette import object_colours

_COLOURS = object_colours(48)  # ids beyond go round
_OPACITY = 0.55


def draw_overlay(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Tint the objects of an image, uint8 [H,W,3], in their ids' colours and outline them; labels are int32 [H,W].

    Returns:
        uint8 [H,W,3]; the background is as in the image.
    """
    colour = (labels - 1) % len(_COLOURS)
    colour[labels == 0] = len(_COLOURS)
    tint = np.vstack([_COLOURS, [[0, 0, 0]]]).astype(np.uint8)[colour]
    blended = cv2.addWeighted(image, 1 - _OPACITY, tint, _OPACITY, 0)
    inside = (labels > 0).astype(np.uint8)
    overlay = cv2.copyTo(blended, inside, np.array(image))
    overlay[_outlines(labels)] = 255
    return overlay


def _outlines(labels: np.ndarray) -> np.ndarray:
    """The pixels of objects that lie next to another label, bool [H,W]."""
    differs = np.zeros(labels.shape, bool)
    down, right = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    differs[1:] |= down
    differs[:-1] |= down
    differs[:, 1:] |= right
    differs[:, :-1] |= right
    return differs & (labels > 0)
