"""Measures of a picture: how sharp, how exposed, and how far two pictures differ by more than noise."""

from __future__ import annotations

import cv2
import numpy as np

SMOOTHING = 0.8  # sigma in pixels, against noise; part of the scale of sharpness
WINDOW = 11  # pixels in which an edge begins and ends
CONTRAST = 24  # grey levels that make an edge
EDGE_PIXELS = 60  # of one direction, below which that direction is not judged
WHITE, BLACK = 254, 12  # levels that count as clipped


def sharpness(image: np.ndarray) -> float:
    """How steep edges are: the percentage of an edge's contrast that falls within one pixel.

    Edge width as a measure of blur: Marziliano, Dufaux, Winkler, Ebrahimi, "A no-reference perceptual blur metric",
    ICIP 2002. Here the steepest slope is divided by the contrast of the same place, so that neither content nor light
    matters. Edges of four directions are measured apart, and the least sharp direction counts: motion blurs only those
    that lie across it. Of each, the upper quartile, since shadows are soft.

    Args:
        image: uint8 [H,W,3].

    Returns:
        About 36 for an ideal lens, 18 for defocus of sigma 2 pixels, 9 for motion of 25 pixels; NaN without edges.
    """
    grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), SMOOTHING)
    slope_x, slope_y = (cv2.Sobel(grey, cv2.CV_32F, *axis, ksize=1, scale=0.5) for axis in ((1, 0), (0, 1)))
    slope = np.hypot(slope_x, slope_y)
    window = np.ones((WINDOW, WINDOW), np.uint8)
    contrast = cv2.dilate(grey, window) - cv2.erode(grey, window)
    # Only where the steepest slope of the window is, since the contrast is that edge's.
    ridge = (contrast > CONTRAST) & (slope > 0.8 * cv2.dilate(slope, window))
    steepness = 100 * slope[ridge] / contrast[ridge]
    direction = np.rint(np.arctan2(slope_y[ridge], slope_x[ridge]) / (np.pi / 4)).astype(int) % 4
    judged = [steepness[direction == i] for i in range(4) if np.count_nonzero(direction == i) >= EDGE_PIXELS]
    return float(min(np.percentile(edges, 75) for edges in judged)) if judged else float("nan")


def clipped_shares(image: np.ndarray) -> tuple[float, float]:
    """The shares [0..1] of pixels whose channels all are white, and of those whose channels all are black."""
    return float(np.mean(image.min(-1) >= WHITE)), float(np.mean(image.max(-1) <= BLACK))


def brightness(image: np.ndarray) -> float:
    """The mean level of all pixels and channels, 0 to 255."""
    return float(image.mean())


def picture_change(a: np.ndarray, b: np.ndarray) -> float:
    """How far two pictures of the same size differ beyond what noise explains: up to 1 it is noise alone.

    The difference is smoothed, which leaves a little of the noise and most of what has moved, and is compared with
    what noise of the pair's own level leaves. That level is found where the pictures are quiet (Immerkaer, "Fast noise
    variance estimation", CVIU 1996, in blocks). A change of the overall brightness (flicker of lamps) is taken out.

    Args:
        a, b: uint8 [H,W,3].
    """
    a, b = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) for image in (a, b))
    gain = np.median(b[a > 16] / a[a > 16]) if np.any(a > 16) else 1.0
    difference = b - gain * a
    noise = _noise(difference, quiet=np.minimum(a, b) > 5, unclipped=np.maximum(a, b) < 250)
    smooth = np.abs(cv2.GaussianBlur(difference, (0, 0), SETTLING))
    left = noise / (2 * np.sqrt(np.pi) * SETTLING)  # of white noise after a Gaussian filter
    return float(np.quantile(smooth, 1 - CHANGED) / (6 * left + FLOOR))


SETTLING = 1.5  # sigma in pixels
CHANGED = 5e-4  # share of the picture that must have changed
FLOOR = 1.5  # grey levels: compression, rounding


def _noise(difference: np.ndarray, quiet: np.ndarray, unclipped: np.ndarray) -> float:
    """Standard deviation of the noise in a difference of two pictures."""
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6  # has unit gain for white noise
    height, width = (size // 16 * 16 for size in difference.shape)
    energy = cv2.filter2D(difference, -1, kernel)[:height, :width] ** 2
    blocks = energy.reshape(height // 16, 16, width // 16, 16).mean((1, 3))
    usable = (quiet & unclipped)[:height, :width].reshape(height // 16, 16, width // 16, 16).all((1, 3))
    return float(np.sqrt(np.percentile(blocks[usable], 25))) if np.any(usable) else 0.0
