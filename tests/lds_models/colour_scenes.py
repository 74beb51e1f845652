"""Scenes of coloured squares, and models that segment them by colour, so that right answers are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from datasets.packing import PackedDataset
from lds_models.model import LossTerms, MultiViewModel, Rendering, SceneModel, SlotInference

COLOURS = np.array([[200, 200, 200], [220, 30, 30], [30, 160, 60], [40, 70, 220], [240, 150, 20]], np.uint8)


def packed_squares(
    scenes: int = 3, views: int = 4, objects: int = 3, size: int = 64, masks: bool = True, seed: int = 0
):
    """Grey scenes with squares of the first `objects` colours, packed; later squares hide earlier ones."""
    rng = np.random.default_rng(seed)
    truth = np.zeros((scenes, views, size, size), np.uint8)
    side = size // 4
    for image in truth.reshape(-1, size, size):
        for instance in range(1, objects + 1):
            row, column = rng.integers(0, size - side, 2)
            image[row : row + side, column : column + side] = instance
    return _packed(truth, rng.normal(size=(scenes * views, 3)), masks)


def packed_orbits(scenes: int = 3, views: int = 7, objects: int = 3, size: int = 64, masks: bool = True, seed: int = 0):
    """Grey scenes with squares that stay in place while the camera goes round them, so that they shift sideways."""
    rng = np.random.default_rng(seed)
    truth = np.zeros((scenes, views, size, size), np.uint8)
    angles = rng.uniform(0, 2 * np.pi, (scenes, 1)) + np.arange(views) * 2 * np.pi / views
    viewpoints = np.stack([np.cos(angles) - 1, np.sin(angles), 0 * angles], -1).astype(np.float32)
    side, band = size // 8, size // objects
    for scene in range(scenes):
        for instance in range(1, objects + 1):
            row = (instance - 1) * band + rng.integers(0, band - side)
            column = rng.integers(size // 4, 3 * size // 4 - side)
            for view, shift in enumerate(_shift(torch.from_numpy(viewpoints[scene]), size).int().tolist()):
                truth[scene, view, row : row + side, column + shift : column + shift + side] = instance
    return _packed(truth, viewpoints.reshape(-1, 3), masks)


def _packed(truth: np.ndarray, viewpoints: np.ndarray, masks: bool) -> PackedDataset:
    scenes, views, size, _ = truth.shape
    images = truth.reshape(-1, size, size)
    return PackedDataset(
        images=COLOURS[images],
        first_view=np.arange(scenes + 1) * views,
        masks=images if masks else None,
        viewpoints={"clevr": viewpoints.astype(np.float32)},
        names=[f"squares_{s:03d}" for s in range(scenes)],
        source="squares",
        split="test",
        digest="digest-of-squares",
    )


def _shift(viewpoints: Tensor, size: int) -> Tensor:
    """By how many pixels what the viewpoints [...,3] show is shifted to the right, [...]."""
    return (viewpoints[..., 1] * (size // 4)).round()


class ColourModel(SceneModel):
    """Slot k shows colour k; with `twins`, slots 1 and K - 1 share colour 1, one to the left, one to the right."""

    def __init__(self, num_slots: int = 6, image_size: int = 64, twins: bool = False) -> None:
        super().__init__()
        self.num_slots, self.image_size, self.twins = num_slots, image_size, twins
        self.pixel_std = 0.1
        self.seen: list[tuple[int, ...]] = []

    def infer(self, images: Tensor, viewpoints: Tensor | None = None) -> SlotInference:
        self.check_images(images)
        self.seen.append(tuple(images.shape))
        colours = torch.full((self.num_slots, 3), -1.0)
        known = min(self.num_slots, len(COLOURS))
        colours[:known] = torch.from_numpy(COLOURS[:known]).float() / 255
        latents = torch.eye(self.num_slots)
        if self.twins:
            colours[-1], latents[-1] = colours[1], latents[1]
        distance = (images[:, :, None] - colours[:, :, None, None]).square().sum(3, keepdim=True)
        if self.twins:
            half = self.image_size // 2
            distance[:, :, 1, :, :, half:] += 0.1
            distance[:, :, -1, :, :, :half] += 0.1
        log_masks = (-500 * distance).log_softmax(2)
        appearances = colours.clamp(0, 1)[:, :, None, None].expand(*log_masks.shape[:3], 3, *images.shape[-2:])
        mean = latents.expand(len(images), -1, -1)
        std = torch.full_like(mean, 0.01)
        sample = mean + std * torch.randn_like(mean)
        return SlotInference(mean, std, sample, log_masks, appearances, (log_masks.exp() * appearances).sum(2))

    def loss(self, images: Tensor, viewpoints: Tensor | None = None) -> LossTerms:
        raise NotImplementedError

    def log_weights(self, images: Tensor, viewpoints: Tensor | None = None) -> Callable[[int], Tensor]:
        raise NotImplementedError


class OrbitModel(ColourModel, MultiViewModel):
    """Knows the scenes of `packed_orbits`: its latents hold where each colour's square is, and it renders them exactly.

    A slot's latent is its one-hot number, and a tenth of: 1 where its square was seen, the square's row and column as
    shares of the image's size.
    """

    viewpoint_kind = "clevr"

    def __init__(self, num_slots: int = 6, image_size: int = 64) -> None:
        super().__init__(num_slots, image_size)
        self.shown: list[tuple[Tensor, Tensor]] = []

    def infer(self, images: Tensor, viewpoints: Tensor | None = None) -> SlotInference:
        self.shown.append((images, viewpoints))
        by_colour = super().infer(images, viewpoints)
        masks = by_colour.log_masks.exp().round()[:, :, :, 0]
        rows, columns = masks.amax(4), masks.amax(3)
        row, column = (line.cumsum(3).eq(0).sum(3) for line in (rows, columns))
        column = column - _shift(viewpoints, self.image_size)[..., None]
        seen = masks.amax((3, 4))
        where = torch.stack([seen, row / self.image_size, column / self.image_size], -1)
        best = seen.argmax(1)[:, None, :, None].expand(-1, -1, -1, 3)
        mean = torch.cat([by_colour.mean, 0.1 * where.gather(1, best)[:, 0]], -1)
        std = torch.full_like(mean, 0.01)
        rendering = vars(self.render(mean, viewpoints))
        return SlotInference(mean, std, mean + std * torch.randn_like(mean), **rendering)

    def render(self, latents: Tensor, viewpoints: Tensor) -> Rendering:
        size, side = self.image_size, self.image_size // 8
        seen, row, column = (10 * latents[:, None, :, -3:]).unbind(-1)
        row = (row * size).round().expand(-1, viewpoints.shape[1], -1)
        column = (column * size).round() + _shift(viewpoints, size)[..., None]
        pixels = torch.arange(size)
        inside_rows, inside_columns = (
            (pixels >= first[..., None]) & (pixels < first[..., None] + side) for first in (row, column)
        )
        squares = inside_rows[..., :, None] & inside_columns[..., None, :] & (seen > 0.5)[..., None, None]
        squares[:, :, 0] = False  # slot 0 is the background
        squares[:, :, 0] = ~squares.any(2)
        log_masks = (50.0 * squares[:, :, :, None]).log_softmax(2)
        colours = torch.zeros(self.num_slots, 3)
        colours[: len(COLOURS)] = torch.from_numpy(COLOURS[: self.num_slots]).float() / 255
        appearances = colours[:, :, None, None].expand(*log_masks.shape[:3], 3, size, size)
        return Rendering(log_masks, appearances, (log_masks.exp() * appearances).sum(2))
