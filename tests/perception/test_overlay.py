from __future__ import annotations

import numpy as np

from perception.overlay import draw_overlay


def test_only_objects_are_coloured_each_in_its_own_colour() -> None:
    image = np.full((60, 80, 3), 200, np.uint8)
    labels = np.zeros((60, 80), np.int32)
    labels[10:30, 10:30], labels[10:30, 40:60] = 1, 7
    overlay = draw_overlay(image, labels)
    assert overlay.dtype == np.uint8 and overlay.shape == image.shape
    assert (overlay[labels == 0] == 200).all()
    one, seven = overlay[20, 20], overlay[20, 50]
    assert (one != 200).any() and (seven != 200).any() and (one != seven).any()
    assert (image == 200).all()


def test_ids_of_any_size_have_a_colour() -> None:
    labels = np.full((20, 20), 123_456_789, np.int32)
    assert (draw_overlay(np.zeros((20, 20, 3), np.uint8), labels) > 0).any()
