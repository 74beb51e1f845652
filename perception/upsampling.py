"""From low-resolution probabilities to labels at the camera's resolution, with edges that follow the camera's image."""

from __future__ import annotations

import cv2
import numpy as np

GUIDE_SIZE = 120  # pixels; the fits are made at this resolution
RADIUS = 6  # pixels of the guide around each one that a fit is made over
REGULARISATION = 8.0**2  # of slopes, squared grey levels; larger: smoother, less drawn to the image's edges

Planes = list[np.ndarray]  # float32 [H,W] each


def upsample_labels(probabilities: np.ndarray, image: np.ndarray) -> np.ndarray:
    """The likeliest of C labels at each pixel of a square image, by a guided filter: labels change where colours do.

    Around every pixel each probability is fitted by a linear function of the colour; the mean of the functions that
    cover a pixel is evaluated at its colour (He, Sun, Tang 2013, "Guided Image Filtering", eq. 14-16). The fits are made
    at a lower resolution than the camera's (He, Sun 2015, "Fast Guided Filter").

    Args:
        probabilities: float32 [C,h,w].
        image: uint8 [S,S,3].

    Returns:
        uint8 [S,S].
    """
    size = image.shape[0]
    guide = _Guide(cv2.resize(image, (GUIDE_SIZE, GUIDE_SIZE), interpolation=cv2.INTER_AREA))
    colours = _planes(image)
    labels = np.zeros((size, size), np.uint8)
    highest = np.full((size, size), -np.inf, np.float32)
    for label, probability in enumerate(probabilities):
        *slopes, value = (_enlarge(plane, size) for plane in guide.fit(_enlarge(probability, GUIDE_SIZE)))
        for slope, colour in zip(slopes, colours):
            cv2.accumulateProduct(slope, colour, value)
        labels[value > highest] = label
        np.maximum(highest, value, out=highest)
    return labels


class _Guide:
    """Local linear fits to the colours of one small image, uint8 [H,W,3]."""

    def __init__(self, image: np.ndarray) -> None:
        self._colours = _planes(image)
        self._means = [_local_mean(c) for c in self._colours]
        covariances = [[self._covariance(a, b) for b in range(3)] for a in range(3)]
        self._inverse = _inverse(covariances)
        self._flatness = 3 * REGULARISATION / sum(covariances[a][a] for a in range(3))  # 1 where all colours are alike

    def fit(self, target: np.ndarray) -> Planes:
        """The three slopes and the offset of the local fits to a target [H,W], each averaged over its neighbours.

        Where all colours are alike, the fits only blur; the offset there makes up for it.
        """
        mean = _local_mean(target)
        with_colours = [_local_mean(c * target) - m * mean for c, m in zip(self._colours, self._means)]
        slopes = [sum(i * w for i, w in zip(row, with_colours)) for row in self._inverse]
        offset = mean - sum(s * m for s, m in zip(slopes, self._means))
        *slopes, offset = (_local_mean(plane) for plane in (*slopes, offset))
        blurred = offset + sum(s * c for s, c in zip(slopes, self._colours))
        return [*slopes, offset + self._flatness * (target - blurred)]

    def _covariance(self, a: int, b: int) -> np.ndarray:
        covariance = _local_mean(self._colours[a] * self._colours[b]) - self._means[a] * self._means[b]
        return covariance + REGULARISATION if a == b else covariance


def _planes(image: np.ndarray) -> Planes:
    return [channel.astype(np.float32) for channel in cv2.split(image)]


def _enlarge(plane: np.ndarray, size: int) -> np.ndarray:
    return cv2.resize(plane, (size, size), interpolation=cv2.INTER_LINEAR)


def _local_mean(plane: np.ndarray) -> np.ndarray:
    return cv2.blur(plane, (2 * RADIUS + 1, 2 * RADIUS + 1), borderType=cv2.BORDER_REFLECT)


def _inverse(m: list[Planes]) -> list[Planes]:
    """Inverses of symmetric 3x3 matrices, given and returned as planes (by cofactors: LAPACK takes ten times as long)."""

    def cofactor(row: int, column: int) -> np.ndarray:
        (a, b), (c, d) = (((i + 1) % 3, (i + 2) % 3) for i in (row, column))
        return m[a][c] * m[b][d] - m[a][d] * m[b][c]

    cofactors = [[cofactor(row, column) for column in range(3)] for row in range(3)]
    determinant = sum(m[0][column] * cofactors[0][column] for column in range(3))
    return [[plane / determinant for plane in row] for row in cofactors]
