"""The colours of pictures: paper, words, and objects, of which one id has one colour everywhere."""

from __future__ import annotations

import colorsys

import numpy as np

INK, MUTED, PAGE = "#1f2530", "#68707d", "#eef0f4"  # words; words of less weight; tinted, as tables can be white
# Told apart by colour-blind eyes too (after Okabe and Ito) and seen well on light tables; ids above go on by hue.
_FIRST = ("#0072b2", "#e07b00", "#009e73", "#cc79a7", "#56b4e9", "#a83232", "#7a5fd0", "#8a6d3b")
_GOLDEN_RATIO = 0.618034


def object_colours(count: int) -> np.ndarray:
    """uint8 [count,3] RGB: row i is the colour of object i, whose instance id is i + 1."""
    named = [tuple(bytes.fromhex(colour[1:])) for colour in _FIRST[:count]]
    more = [colorsys.hsv_to_rgb(i * _GOLDEN_RATIO % 1, 0.65, 0.8) for i in range(count - len(named))]
    return np.array([*named, *(tuple(int(255 * c) for c in colour) for colour in more)], np.uint8).reshape(count, 3)
