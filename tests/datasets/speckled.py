"""A scene that features can be matched in: specks of their own pattern scattered over a table, projected by OpenCV."""

from __future__ import annotations

import cv2
import numpy as np

from datasets.camera import look_at
from datasets.scene import Scene

WIDTH, HEIGHT, FOCAL = 400, 300, 380.0
DISTORTION = np.array([0.08, -0.1, 0.001, -0.001, 0.02])
SPECK = 17  # pixels


def speckled_scene(seed: int = 0, views: int = 10, specks: int = 100, name: str = "scene_000000") -> Scene:
    """Views on an uneven arc around the specks, which lie up to 12 cm above the table."""
    rng = np.random.default_rng(seed)
    azimuths = np.cumsum(rng.uniform(0.1, 0.2, views))
    elevations, distances = rng.uniform(0.7, 1.2, views), rng.uniform(0.5, 0.6, views)
    poses = []
    for azimuth, elevation, distance in zip(azimuths, elevations, distances, strict=True):
        direction = [np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)]
        poses.append(look_at(distance * np.array(direction), rng.normal(0, 0.01, 3), roll=rng.normal(0, 0.1)))
    points = rng.uniform([-0.15, -0.15, 0], [0.15, 0.15, 0.12], (specks, 3))
    patterns = [_pattern(rng) for _ in range(specks)]
    K = np.array([[FOCAL, 0, 199.5], [0, FOCAL, 149.5], [0, 0, 1]])
    images = np.stack([_draw(points, patterns, pose, K, rng) for pose in poses])
    return Scene(
        name,
        images,
        np.stack(poses),
        np.tile(K, (views, 1, 1)),
        DISTORTION,
        stamps=1.7e9 + np.arange(views, dtype=float),
    )


def _pattern(rng: np.random.Generator) -> np.ndarray:
    coarse = rng.uniform(20, 235, (4, 4, 1)).repeat(3, 2).astype(np.float32)
    return cv2.resize(coarse, (SPECK, SPECK), interpolation=cv2.INTER_CUBIC).clip(0, 255)


def _draw(points: np.ndarray, patterns: list, pose: np.ndarray, K: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The far specks first; each at its place to a fraction of a pixel."""
    world_to_camera = np.linalg.inv(pose)
    rotation, _ = cv2.Rodrigues(world_to_camera[:3, :3])
    pixels = cv2.projectPoints(points, rotation, world_to_camera[:3, 3], K, DISTORTION)[0][:, 0]
    depth = points @ world_to_camera[2, :3] + world_to_camera[2, 3]
    image = np.full((HEIGHT, WIDTH, 3), 225, np.float32)
    for i in np.argsort(-depth):
        place = np.array([[1, 0, pixels[i, 0] - SPECK // 2], [0, 1, pixels[i, 1] - SPECK // 2]], np.float32)
        cv2.warpAffine(patterns[i], place, (WIDTH, HEIGHT), image, borderMode=cv2.BORDER_TRANSPARENT)
    return (image + rng.normal(0, 2, image.shape)).clip(0, 255).astype(np.uint8)
