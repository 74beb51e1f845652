"""A small dataset in the official layout: coloured spheres drawn as discs, geometry apart from the project's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

SIZE, VIEWS, FOV = 48, 4, 0.9
DISTANCE, HEIGHT = 9.0, 3.5
COLOURS = {"red": (200, 30, 30), "green": (30, 180, 40), "blue": (40, 60, 220)}
# The small blue sphere stands behind the large red one in view 0 (camera on the x axis), and is fully hidden there.
SPHERES = [("red", (2.0, 0.0, 0.9), 1.1), ("green", (0.3, 2.0, 0.6), 0.6), ("blue", (-0.6, 0.0, 0.3), 0.35)]
HIDDEN_VIEW, HIDDEN_OBJECT = 0, 2


def draw_scene(seed: int = 0) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the index entry of one scene: V views at azimuths 0, 90, ... degrees."""
    azimuths = 2 * np.pi * np.arange(VIEWS) / VIEWS
    rng = np.random.default_rng(seed)
    views = [_draw_view(azimuth, rng) for azimuth in azimuths]
    images, masks, orders = zip(*views, strict=True)
    radius = np.sqrt(DISTANCE**2 - HEIGHT**2)
    entry = {
        "depth_orders": [list(map(int, order)) for order in orders],
        "camera": {"location": [[radius * np.cos(a), radius * np.sin(a), HEIGHT] for a in azimuths]},
        "objects": [
            {"shape": "sphere", "color": c, "material": "rubber", "size": "small", "3d_coords": list(p)}
            for c, p, _ in SPHERES
        ],
        "fov": FOV,
    }
    return {"images": np.stack(images), "masks": np.stack(masks)}, entry


def _draw_view(azimuth: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turn the world so that the camera stands over the x axis, then tilt: plain trigonometry, no matrices."""
    tilt = np.arcsin(HEIGHT / DISTANCE)
    focal, centre = SIZE / 2 / np.tan(FOV / 2), (SIZE - 1) / 2
    y, x = np.mgrid[:SIZE, :SIZE]
    depths, discs = [], []
    for _, (px, py, pz), radius in SPHERES:
        towards = px * np.cos(azimuth) + py * np.sin(azimuth)
        right = -px * np.sin(azimuth) + py * np.cos(azimuth)
        depth = DISTANCE - towards * np.cos(tilt) - pz * np.sin(tilt)
        up = pz * np.cos(tilt) - towards * np.sin(tilt)
        u, v = centre + focal * right / depth, centre - focal * up / depth
        depths.append(depth)
        discs.append((x - u) ** 2 + (y - v) ** 2 <= (focal * radius / depth) ** 2)
    order = np.argsort(depths)
    image = np.full((SIZE, SIZE, 3), 190.0) + 20 * np.sin(azimuth)
    ranks = np.zeros((SIZE, SIZE), np.uint8)
    for rank in reversed(range(len(order))):
        ranks[discs[order[rank]]] = rank + 1
        image[discs[order[rank]]] = COLOURS[SPHERES[order[rank]][0]]
    image += rng.normal(0, 3, image.shape)
    packed = np.stack([ranks, *(disc.astype(np.uint8) for disc in discs)], axis=-1)
    return image.clip(0, 255).astype(np.uint8), packed, order


def save_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """As the official files are: an .npz archive under an .npy name."""
    with open(path, "wb") as file:
        np.savez_compressed(file, **arrays)


def save_structured(path: Path, arrays: dict[str, np.ndarray]) -> None:
    record = np.zeros(1, [(name, value.dtype, value.shape) for name, value in arrays.items()])
    for name, value in arrays.items():
        record[name][0] = value
    np.save(path, record)
