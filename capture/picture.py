"""Measures of a picture: how sharp, how exposed, and how far two pictures differ by more than noise."""

from __future__ import annotations

import cv2
import numpy as np

SMOOTHING = 0.8  # sigma in pixels, against noise; part of the scale of sharpness
WINDOW = 11  # pixels in which an edge begins and ends
CONTRAST = 24  # grey levels that make an edge
EDGE_PIXELS = 60  # of one direction, below which that direction is not judged
WHITE, BLACK = 254, 12  # levels that count as clipped
SETTLING = 1.5  # sigma in pixels that differences are smoothed with
CHANGED = 5e-4  # share of the picture that must have changed for it to count
FLOOR = 5.0  # grey levels: compression, which leaves no noise where all is plain and much along edges


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
    white = cv2.inRange(image, (WHITE,) * 3, (255,) * 3)
    black = cv2.inRange(image, (0,) * 3, (BLACK,) * 3)
    return cv2.countNonZero(white) / white.size, cv2.countNonZero(black) / black.size


def brightness(image: np.ndarray) -> float:
    """The mean level of all pixels and channels, 0 to 255."""
    return float(image.mean())


def picture_motion(a: np.ndarray, b: np.ndarray) -> float:
    """By how many pixels picture `b` is shifted, turned, zoomed or sheared against `a`: what a moving camera does.

    One affine motion of the whole picture, by least squares on the brightness constancy equation (Lucas and Kanade,
    IJCAI 1981): thousands of edge pixels outvote the noise. Exact for motion below a pixel; too small for one of many
    pixels, which `picture_change` shows.

    Args:
        a, b: uint8 [H,W,3].

    Returns:
        Root mean square of the motion of the edges, pixels.
    """
    a, b = _at_one_brightness(a, b)
    mean = cv2.GaussianBlur((a + b) / 2, (0, 0), SETTLING)
    slope_x, slope_y = (cv2.Sobel(mean, cv2.CV_32F, *axis, ksize=1, scale=0.5) for axis in ((1, 0), (0, 1)))
    edges = np.hypot(slope_x, slope_y) > 2
    if np.count_nonzero(edges) < EDGE_PIXELS:
        return 0.0
    change = cv2.GaussianBlur(a - b, (0, 0), SETTLING)[edges]
    height, width = edges.shape
    y, x = np.nonzero(edges)
    place = np.stack([np.ones(len(x)), x / width - 0.5, y / height - 0.5], axis=1)
    terms = np.concatenate([place * slope_x[edges][:, None], place * slope_y[edges][:, None]], axis=1)
    affine = np.linalg.lstsq(terms.T @ terms, terms.T @ change)[0].reshape(2, 3)
    return float(np.sqrt(np.mean(np.sum((place @ affine.T) ** 2, axis=1))))


def picture_change(a: np.ndarray, b: np.ndarray) -> float:
    """How far two pictures of the same size differ beyond what noise explains: up to 1 it is noise alone.

    The difference is smoothed, which leaves a little of the noise and most of what has moved, and is compared with
    what is left of the noise where the pair is quiet: in the quietest quarter of its blocks. So the noise may be of any
    strength and grain, and compressed. A change of the overall brightness (flicker of lamps) is taken out.

    Args:
        a, b: uint8 [H,W,3].
    """
    a, b = _at_one_brightness(a, b)
    smooth = cv2.GaussianBlur(b - a, (0, 0), SETTLING)
    unclipped = (np.minimum(a, b) > 5) & (np.maximum(a, b) < 250)  # clipping hides the noise
    noise = np.sqrt(_blocks(smooth**2).mean((1, 3))[_blocks(unclipped).all((1, 3))])
    left = np.percentile(noise, 25) if len(noise) else 0.0
    return float(np.quantile(np.abs(smooth), 1 - CHANGED) / (8 * left + FLOOR))


def _at_one_brightness(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Grey float32 [H,W] of both pictures, the first as bright as the second."""
    a, b = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) for image in (a, b))
    lit = a > 16
    return (a * np.median(b[lit] / a[lit]) if lit.any() else a), b


def _blocks(pixels: np.ndarray) -> np.ndarray:
    """[H,W] as [H/16,16,W/16,16], without the rest at the edges."""
    height, width = (size // 16 for size in pixels.shape)
    return pixels[: height * 16, : width * 16].reshape(height, 16, width, 16)
