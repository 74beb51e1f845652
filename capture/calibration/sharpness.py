"""How sharp the board is in a picture: how many pixels its edges between black and white take."""

from __future__ import annotations

import cv2
import numpy as np

from capture.calibration.board import Board, Detection

LARGEST_WIDTH = 3.0  # pixels; a lens well in focus has 1.2 to 1.7
REACH = 0.12  # of a square, on both sides of an edge: inside the white rim around a marker
SAMPLES = 33  # along each profile


def edge_width(image: np.ndarray, detection: Detection, board: Board) -> float:
    """Width of the edges between corners, pixels: contrast by steepest slope. An ideal edge has 1.

    The larger of the medians over the edges along the board's rows and along its columns, since motion may blur only
    one of them; infinite where no edge is seen whole.

    Args:
        image: uint8 [H,W,3] RGB, in which `detection` was found; it must be usable.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    homography = detection.homography()
    points, half = detection.object_points[:, :2], np.array([board.square, 0.0]) / 2
    return max(_median_width(grey, homography, points, along) for along in (half, half[::-1]))


def _median_width(grey: np.ndarray, homography: np.ndarray, points: np.ndarray, half: np.ndarray) -> float:
    """Of the edges of direction `half` (half an edge) whose ends are both among `points` [N,2] of the board."""
    known = {tuple(np.round(point, 6)) for point in points}
    middles = np.array([point + half for point in points if tuple(np.round(point + 2 * half, 6)) in known])
    if not len(middles):
        return np.inf
    offsets = np.linspace(-2 * REACH, 2 * REACH, SAMPLES)
    profile_points = middles[:, None] + offsets[None, :, None] * half[::-1]
    pixels = cv2.perspectiveTransform(profile_points, homography).astype(np.float32)
    profiles = cv2.remap(grey, pixels[..., 0], pixels[..., 1], cv2.INTER_LINEAR)
    steps = np.linalg.norm(np.diff(pixels, axis=1), axis=2)
    slopes = np.abs(np.diff(profiles, axis=1) / steps)
    contrast = np.ptp(profiles, axis=1)
    return float(np.median(contrast / np.maximum(slopes.max(1), 1e-6)))
