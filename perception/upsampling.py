"""From low-resolution probabilities to labels at the camera's resolution, with edges that follow the camera's image."""

from __future__ import annotations

import cv2
import numpy as np

GUIDE_SIZE = 120  # pixels; the fits are made at this resolution
RADIUS = 6  # pixels of the guide around each one that a fit is made over
REGULARISATION = 8.0**2  # of slopes, squared grey levels; larger: smoother, less drawn to the image's edges

Planes = list[np.ndarray]  # float32 [H,W] each


class Upsampler:
    """The likeliest of C labels at each pixel of a square image, by a guided filter: labels change where colours do.

    Around every pixel each probability is fitted by a linear function of the colour; the mean of the functions that
    cover a pixel is evaluated at its colour (He, Sun, Tang 2013, "Guided Image Filtering", eq. 14-16). The fits are
    made at a lower resolution than the camera's (He, Sun 2015, "Fast Guided Filter").

    Keeps its buffers from image to image, since fresh memory costs more than the arithmetic; not for several threads.
    """

    def __init__(self) -> None:
        self._buffers = np.empty((6, 0, 0), np.float32)

    def __call__(self, probabilities: np.ndarray, image: np.ndarray) -> np.ndarray:
        """Labels uint8 [S,S], given probabilities float32 [C,h,w] and the image uint8 [S,S,3]."""
        size = image.shape[0]
        if self._buffers.shape[1] != size:
            self._buffers = np.empty((6, size, size), np.float32)
        *colours, slope, value, highest = self._buffers
        np.copyto(self._buffers[:3], image.transpose(2, 0, 1))
        highest.fill(-np.inf)
        labels = np.zeros((size, size), np.uint8)
        guide = _Guide(cv2.resize(image, (GUIDE_SIZE, GUIDE_SIZE), interpolation=cv2.INTER_AREA))
        for label, probability in enumerate(probabilities):
            *slopes, offset = guide.fit(_enlarged(probability, GUIDE_SIZE))
            _enlarged(offset, size, value)
            for coarse, colour in zip(slopes, colours, strict=True):
                cv2.accumulateProduct(_enlarged(coarse, size, slope), colour, value)
            cv2.copyTo(np.full_like(labels, label), cv2.compare(value, highest, cv2.CMP_GT), labels)
            cv2.max(highest, value, highest)
        return labels


class _Guide:
    """Local linear fits to the colours of one small image, uint8 [H,W,3]."""

    def __init__(self, image: np.ndarray) -> None:
        self._colours = [channel.astype(np.float32) for channel in cv2.split(image)]
        self._means = [_local_mean(c) for c in self._colours]
        covariances = [[self._covariance(a, b) for b in range(3)] for a in range(3)]
        self._inverse = _inverse(covariances)
        variance = covariances[0][0] + covariances[1][1] + covariances[2][2]
        self._flatness = 3 * REGULARISATION / variance  # 1 where all colours are alike

    def fit(self, target: np.ndarray) -> Planes:
        """The three slopes and the offset of the local fits to a target [H,W], each averaged over its neighbours.

        Where all colours are alike, the fits only blur; the offset there makes up for it.
        """
        mean = _local_mean(target)
        with_colours = [_local_mean(c * target) - m * mean for c, m in zip(self._colours, self._means, strict=True)]
        slopes = [_dot(row, with_colours) for row in self._inverse]
        offset = mean - _dot(slopes, self._means)
        *slopes, offset = (_local_mean(plane) for plane in (*slopes, offset))
        blurred = offset + _dot(slopes, self._colours)
        return [*slopes, offset + self._flatness * (target - blurred)]

    def _covariance(self, a: int, b: int) -> np.ndarray:
        covariance = _local_mean(self._colours[a] * self._colours[b]) - self._means[a] * self._means[b]
        return covariance + REGULARISATION if a == b else covariance


def _enlarged(plane: np.ndarray, size: int, out: np.ndarray | None = None) -> np.ndarray:
    return cv2.resize(plane, (size, size), dst=out, interpolation=cv2.INTER_LINEAR)


def _local_mean(plane: np.ndarray) -> np.ndarray:
    return cv2.blur(plane, (2 * RADIUS + 1, 2 * RADIUS + 1), borderType=cv2.BORDER_REFLECT)


def _dot(a: Planes, b: Planes) -> np.ndarray:
    """At each pixel, of the vectors [3] that three planes each are."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _inverse(m: list[Planes]) -> list[Planes]:
    """Inverses of symmetric 3x3 matrices of planes, by cofactors: LAPACK takes ten times as long."""

    def cofactor(row: int, column: int) -> np.ndarray:
        (a, b), (c, d) = (((i + 1) % 3, (i + 2) % 3) for i in (row, column))
        return m[a][c] * m[b][d] - m[a][d] * m[b][c]

    cofactors = [[cofactor(row, column) for column in range(3)] for row in range(3)]
    determinant = _dot(m[0], cofactors[0])
    return [[plane / determinant for plane in row] for row in cofactors]
