"""Training batches as a pure function of (seed, step), so that a resumed run sees what an uninterrupted one sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from datasets.packing import PackedDataset
from datasets.scene import DatasetError
from lds_models.model import MultiViewModel, SceneModel
from lds_models.registry import ConfigError
from lds_models.training.widening import Widening

_VIEWS = 1  # keeps the random numbers that choose views apart from those that choose scenes


@dataclass(frozen=True)
class Batch:
    """What a model sees in one training step.

    Attributes:
        images: uint8 [B,V,3,H,W], channels last in memory.
        viewpoints: float32 [B,V,Dv]; None for single-view models.
    """

    images: Tensor
    viewpoints: Tensor | None = None


class ImageBatches:
    """Batches of single images, for models that take one view.

    Args:
        batch_size: of the whole batch, over all processes.
        shard: (rank, processes): which part of each batch to give, the rank-th of so many equal ones.
    """

    def __init__(self, packed: PackedDataset, batch_size: int, seed: int, shard: tuple[int, int] = (0, 1)) -> None:
        self._images, self._draws = packed.images, _Draws(len(packed.images), batch_size, seed, shard)

    def __call__(self, step: int) -> Batch:
        """The batch of a training step, V = 1."""
        _, rows = self._draws(step)
        return Batch(_channels_first(self._images[rows[:, None]]))


class SceneBatches:
    """Batches of scenes, for models that fuse several views. All have equally many, drawn anew each time.

    Args:
        kind: of the viewpoints, see `Scene.viewpoints`.
        views: how many of each scene; None: all of them, in their order.
        batch_size, shard: in scenes, see ImageBatches.
        widening: steps over which the viewpoints drawn widen from near ones to all, see Widening; 0: all at once.

    Raises:
        DatasetError: the dataset has no viewpoints.
        ConfigError: a scene has fewer views, or scenes do not have equally many and all are wanted; or all are wanted
            and viewpoints are to widen.
    """

    def __init__(
        self,
        packed: PackedDataset,
        kind: str,
        views: int | None,
        batch_size: int,
        seed: int,
        shard: tuple[int, int] = (0, 1),
        widening: int = 0,
    ) -> None:
        if kind not in packed.viewpoints:
            raise DatasetError(
                f"{packed.source}: a multi-view model needs camera poses, and not every scene of the split "
                f"'{packed.split}' has them; take a dataset with poses, or a single-view model (monet, iodine, genesis)"
            )
        self._packed, self._viewpoints, self._seed = packed, packed.viewpoints[kind], seed
        self._views = _views_per_scene(packed, views)
        self._draws = _Draws(len(packed.names), batch_size, seed, shard)
        self._widening = None
        if widening:
            if views is None:
                raise ConfigError("data.widening chooses among a scene's views: set data.views to fewer than all")
            self._widening = Widening(self._viewpoints, packed.first_view, views, widening)

    def __call__(self, step: int) -> Batch:
        """The batch of a training step."""
        draws, scenes = self._draws(step)
        if self._widening:  # the same share of those in use as of all
            in_use = self._widening.scenes(step)
            scenes = in_use[scenes * len(in_use) // len(self._packed.names)]
        rows = np.stack([self._rows(step, draw, scene) for draw, scene in zip(draws, scenes, strict=True)])
        return Batch(_channels_first(self._packed.images[rows]), torch.from_numpy(self._viewpoints[rows]))

    def _rows(self, step: int, draw: int, scene: int) -> np.ndarray:
        """Which images stand for a scene that was chosen by the draw of this number."""
        rows = np.arange(*self._packed.first_view[scene : scene + 2])
        if self._widening:
            rows = self._widening.views(step, rows)
        if len(rows) == self._views:
            return rows
        return np.random.default_rng([self._seed, _VIEWS, draw]).permutation(rows)[: self._views]


def make_batches(
    model: SceneModel,
    packed: PackedDataset,
    views: int | None,
    batch_size: int,
    seed: int,
    shard: tuple[int, int],
    widening: int = 0,
) -> ImageBatches | SceneBatches:
    """The batches that a model trains on. Raises what SceneBatches does, and ConfigError for views of one image."""
    if isinstance(model, MultiViewModel):
        return SceneBatches(packed, model.viewpoint_kind, views, batch_size, seed, shard, widening)
    if views is not None or widening:
        setting = f"data.views is {views}" if views is not None else f"data.widening is {widening}"
        raise ConfigError(f"{setting}, and this model sees single images: leave it out")
    return ImageBatches(packed, batch_size, seed, shard)


class _Draws:
    """An endless sequence of the numbers below `count`, each epoch a fresh permutation of all, cut into batches."""

    def __init__(self, count: int, batch_size: int, seed: int, shard: tuple[int, int]) -> None:
        self._count, self._batch_size, self._seed = count, batch_size, seed
        rank, processes = shard
        part = batch_size // processes
        self._part = slice(rank * part, (rank + 1) * part)
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def __call__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """This process' part of the batch of a step: the positions in the sequence, and the numbers there."""
        positions = np.arange(step * self._batch_size, (step + 1) * self._batch_size)[self._part]
        epochs, places = np.divmod(positions, self._count)
        return positions, np.array([self._permutation(e)[p] for e, p in zip(epochs, places, strict=True)])

    def _permutation(self, epoch: int) -> np.ndarray:
        if epoch != self._epoch:
            self._epoch, self._order = epoch, np.random.default_rng([self._seed, epoch]).permutation(self._count)
        return self._order


def _views_per_scene(packed: PackedDataset, wanted: int | None) -> int:
    counts = np.diff(packed.first_view)
    fewest, most = int(counts.min()), int(counts.max())
    if wanted is None and fewest != most:
        raise ConfigError(
            f"{packed.source}: its scenes have {fewest} to {most} views; set data.views to how many of each to draw "
            f"for a batch, {fewest} at most"
        )
    if wanted is not None and wanted > fewest:
        scene = packed.names[int(counts.argmin())]
        raise ConfigError(
            f"{packed.source}: data.views is {wanted}, and scene {scene} has only {fewest}; set it to {fewest} or less"
        )
    return wanted or most


def _channels_first(images: np.ndarray) -> Tensor:
    """[B,V,H,W,3] as [B,V,3,H,W], in the same memory."""
    return torch.from_numpy(images).permute(0, 1, 4, 2, 3)
