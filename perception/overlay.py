"""Objects drawn over the image they were found in."""

from __future__ import annotations

import cv2
import numpy as np

from datasets.palette import object_colours

_COLOURS = 64  # ids beyond go round
_PALETTE = np.resize(object_colours(_COLOURS), (256, 1, 3))
_OPACITY = 0.6


def object_colour(id_: int) -> np.ndarray:
    """The colour that an object is drawn in, uint8 [3] RGB."""
    return _PALETTE[(id_ - 1) % _COLOURS, 0]


def draw_overlay(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The objects of an image, uint8 [H,W,3], in their ids' colours, over the image in grey; labels are int32 [H,W].

    Returns:
        uint8 [H,W,3].
    """
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    colours = cv2.applyColorMap(((labels - 1) & (_COLOURS - 1)).astype(np.uint8), _PALETTE)
    inside = (labels > 0).astype(np.uint8)
    overlay = cv2.copyTo(cv2.addWeighted(grey, 1 - _OPACITY, colours, _OPACITY, 0), inside, grey)
    return cv2.copyTo(colours, _outlines(labels), overlay)


def _outlines(labels: np.ndarray) -> np.ndarray:
    """1 at the pixels of objects that lie next to another label, uint8 [H,W]."""
    differs = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        steps = np.diff(labels, axis=axis) != 0
        before, after = (np.s_[:-1], np.s_[1:]) if axis == 0 else (np.s_[:, :-1], np.s_[:, 1:])
        differs[before] |= steps
        differs[after] |= steps
    return (differs & (labels > 0)).astype(np.uint8)
