"""Images of any size as squares of one size."""

from __future__ import annotations

import numpy as np


def middle_square(image: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of the largest square in the middle of an image [H,W,...]."""
    side = min(image.shape[:2])
    top, left = ((length - side) // 2 for length in image.shape[:2])
    return slice(top, top + side), slice(left, left + side)


def square(image: np.ndarray, size: int) -> np.ndarray:
    """Crop an image [H,W,3] or mask [H,W] to its middle square and resize it to size x size; ids are not mixed."""
    cropped = image[middle_square(image)]
    side = len(cropped)
    if side == size:
        return cropped
    import cv2

    how = cv2.INTER_NEAREST if image.ndim == 2 else cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return cv2.resize(cropped, (size, size), interpolation=how)
