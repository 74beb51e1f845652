"""HDF5 files in the layouts that GQN-Jaco and the Multi-Object Datasets are published in, drawn apart from the loaders.

An image shows rectangles on grey; where rectangles overlap, the later one is in front.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

HEIGHT, WIDTH, ENTITIES = 12, 16, 4  # entity 0 is the background, the last one is there in no image
COLOURS = np.array([[120, 120, 120], [200, 30, 30], [30, 180, 40], [40, 60, 220]], np.uint8)


def draw_images(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [N,H,W,3] and the entities' numbers uint8 [N,H,W]: two rectangles each, of entities 1 and 2."""
    rng = np.random.default_rng(seed)
    numbers = np.zeros((count, HEIGHT, WIDTH), np.uint8)
    for image in numbers:
        for entity in (1, 2):
            y, x = rng.integers(0, HEIGHT - 5), rng.integers(0, WIDTH - 5)
            image[y : y + 5, x : x + 4 + entity] = entity
    noise = rng.integers(0, 20, (count, HEIGHT, WIDTH, 3)).astype(np.uint8)
    return COLOURS[numbers] + noise, numbers


def write_emorl(path: Path, splits: dict[str, int]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The export of IODINE.pytorch and EfficientMORL; returns images and numbers of each split."""
    drawn = {split: draw_images(count, seed) for seed, (split, count) in enumerate(splits.items())}
    with h5py.File(path, "w") as file:
        for split, (images, numbers) in drawn.items():
            file[f"{split}/imgs"] = images
            file[f"{split}/masks"] = one_hot(numbers)[..., None] * np.uint8(255)
            file[f"{split}/factors"] = np.zeros((len(images), ENTITIES, 9), np.float32)
    return drawn


def write_channels_first(path: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The export of multi_object_datasets_torch."""
    images, numbers = draw_images(count)
    with h5py.File(path, "w") as file:
        chunks = (1, 3, HEIGHT, WIDTH)
        file.create_dataset("image", data=images.transpose(0, 3, 1, 2), chunks=chunks, compression="gzip")
        file["mask"] = one_hot(numbers)[:, :, None] * np.uint8(255)
        file["visibility"] = np.ones((count, ENTITIES), np.float32)
    return images, numbers


def write_numbered(path: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The export of object-centric-library."""
    images, numbers = draw_images(count)
    with h5py.File(path, "w") as file:
        file["image"], file["mask"] = images, numbers[..., None]
    return images, numbers


def write_gqn(path: Path, scenes: int, views: int = 3, dtype: type = np.uint8) -> tuple[np.ndarray, np.ndarray]:
    """MulMON's export of GQN-Jaco; returns the images uint8 [N,V,H,W,3] and the viewpoints [N,V,7]."""
    images = draw_images(scenes * views, seed=len(path.stem))[0].reshape(scenes, views, HEIGHT, WIDTH, 3)
    rng = np.random.default_rng(scenes)
    position, yaw, pitch = rng.normal(size=(scenes, views, 3)), *rng.uniform(-3, 3, (2, scenes, views))
    angles = np.stack([np.sin(yaw), np.cos(yaw), np.sin(pitch), np.cos(pitch)], axis=-1)
    viewpoints = np.concatenate([position, angles], axis=-1).astype(np.float32)
    with h5py.File(path, "w") as file:
        file["images"] = images if dtype == np.uint8 else (images / 255).astype(dtype)
        file["viewpoints"] = viewpoints
    return images, viewpoints


def one_hot(numbers: np.ndarray) -> np.ndarray:
    """uint8 [N,O,H,W], 1 where the entity is."""
    return (numbers[:, None] == np.arange(ENTITIES)[:, None, None]).astype(np.uint8)
