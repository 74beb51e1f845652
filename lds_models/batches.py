"""Training batches as a pure function of (seed, step), so that a resumed run sees what an uninterrupted one sees."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from datasets.packing import PackedDataset


class ImageBatches:
    """Batches of single images, each epoch a fresh permutation of all of them."""

    def __init__(self, packed: PackedDataset, batch_size: int, seed: int) -> None:
        self.images, self.batch_size, self.seed = packed.images, batch_size, seed
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def __call__(self, step: int) -> Tensor:
        """The batch of training step `step`: uint8 [B,1,3,H,W], laid out channels last."""
        positions = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        chosen = np.concatenate([self._permutation(e)[p] for e, p in self._by_epoch(positions)])
        return torch.from_numpy(self.images[chosen]).permute(0, 3, 1, 2).unsqueeze(1)

    def _by_epoch(self, positions: np.ndarray) -> list[tuple[int, np.ndarray]]:
        epochs = positions // len(self.images)
        return [(int(epoch), positions[epochs == epoch] % len(self.images)) for epoch in np.unique(epochs)]

    def _permutation(self, epoch: int) -> np.ndarray:
        if epoch != self._epoch:
            self._epoch, self._order = epoch, np.random.default_rng([self.seed, epoch]).permutation(len(self.images))
        return self._order
