"""What tells images of the kind that a model knows: how well it draws some that it was made for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from datasets.packing import PackedDataset
from datasets.scene_dataset import spread
from lds_models.metrics.reconstruction import mean_squared_error
from lds_models.model import MultiViewModel, SceneModel
from lds_models.model_card import domain_of
from lds_models.training.validation import explanations

IMAGES = 300  # at most; of multi-view models, about as many in whole scenes


def domain_images(model: SceneModel, packed: PackedDataset) -> PackedDataset:
    """Some of many images, evenly chosen, without their masks."""
    edges = packed.first_view if isinstance(model, MultiViewModel) else np.arange(len(packed.images) + 1)
    scenes = len(edges) - 1
    chosen = spread(scenes, max(1, IMAGES * scenes // len(packed.images)))
    rows = [np.arange(*edges[scene : scene + 2]) for scene in chosen]
    return replace(packed.select(np.concatenate(rows), np.cumsum([0, *map(len, rows)])), masks=None)


def measured_domain(model: SceneModel, images: PackedDataset) -> dict[str, float]:
    """The entry `domain` of the model's card. Leaves the model as it was. Raises OutputError."""
    errors = [mean_squared_error(e.images, e.reconstruction) for e in explanations(model, images)]
    return domain_of(np.concatenate(errors))
