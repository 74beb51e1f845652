"""Scenes of coloured squares, and a model that segments them by colour, so that right answers are known."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from datasets.packing import PackedDataset
from lds_models.model import LossTerms, SceneModel, SlotInference

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
    images = truth.reshape(-1, size, size)
    return PackedDataset(
        images=COLOURS[images],
        first_view=np.arange(scenes + 1) * views,
        masks=images if masks else None,
        viewpoints={"clevr": rng.normal(size=(scenes * views, 3)).astype(np.float32)},
        names=[f"squares_{s:03d}" for s in range(scenes)],
        source="squares",
        split="test",
        digest="digest-of-squares",
    )


class ColourModel(SceneModel):
    """Slot k shows colour k; with `twins`, slots 1 and K - 1 share colour 1, one to the left, one to the right."""

    def __init__(self, num_slots: int = 6, image_size: int = 64, twins: bool = False, multi_view: bool = False) -> None:
        super().__init__()
        self.num_slots, self.image_size, self.twins = num_slots, image_size, twins
        self.viewpoint_dim = 3 if multi_view else 0
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
