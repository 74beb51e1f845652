"""Validation: how well a model segments and reconstructs held-out images while it trains."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np

from datasets.packing import PackedDataset, pack
from datasets.scene import DatasetError
from lds_models.evaluation import first_scenes, slots_needed
from lds_models.explainer import Explainer
from lds_models.explanation import Explanation
from lds_models.metrics.reconstruction import mean_squared_error
from lds_models.metrics.segmentation import miou
from lds_models.model import MultiViewModel, SceneModel
from lds_models.training.experiment import DataConfig


def held_out_split(config: DataConfig, model: SceneModel) -> PackedDataset | None:
    """All images that are not trained on, or None where none are wanted.

    Raises:
        DatasetError: there are no such images. The message says how to train without.
    """
    if config.validation_split is None:
        return None
    try:
        return pack(config.validation_path or config.path, config.validation_split, model.image_size)
    except DatasetError as error:
        raise DatasetError(f"{error}. To train without validation, set data.validation_split=null") from error


def validation_data(
    config: DataConfig, model: SceneModel, held_out: PackedDataset | None, trained_on: PackedDataset
) -> PackedDataset | None:
    """The images to validate on, of those `held_out`; None where there are none.

    Single-view models get one view of each scene as far as `validation_images` goes, multi-view models whole scenes.
    Warns where the model has too few slots for the objects that it sees at once, by these images' masks, or where there
    are none by those of the images `trained_on`.
    """
    _check_slots(model, trained_on if held_out is None or held_out.masks is None else held_out)
    if held_out is None:
        return None
    if isinstance(model, MultiViewModel):
        scenes = max(1, int((held_out.first_view <= config.validation_images).sum()) - 1)
        return first_scenes(held_out, scenes)
    rows = held_out.first_view[:-1][: config.validation_images]
    return held_out.select(rows, np.arange(len(rows) + 1))


def validate(model: SceneModel, packed: PackedDataset) -> dict[str, float]:
    """Mean MSE and, where the dataset has masks, mIoU. Leaves the model and the random state as they were."""
    explained = list(explanations(model, packed))
    errors = np.concatenate([mean_squared_error(e.images, e.reconstruction) for e in explained])
    row = {"val_mse": float(errors.mean())}
    tables = [e.table for e in explained if e.table is not None]
    if tables:
        row["val_miou"] = float(np.concatenate([miou(table) for table in tables]).mean())
    return row


def explanations(model: SceneModel, packed: PackedDataset) -> Iterator[Explanation]:
    """What a model in training makes of images, batch by batch; afterwards the model is as it was. In one process."""
    shard, mode = model.shard, model.training
    device = next(model.parameters()).device
    model.shard = (0, 1)
    try:
        yield from Explainer(model, packed, device=str(device))
    finally:
        model.shard = shard
        model.train(mode)


def _check_slots(model: SceneModel, packed: PackedDataset) -> None:
    needed = slots_needed(model, packed)
    if needed is not None and model.num_slots < needed:
        what = "scenes" if isinstance(model, MultiViewModel) else "images"
        warnings.warn(
            f"K = {model.num_slots} slots are fewer than the background and {needed - 1} objects of some {what}: "
            f"objects will be merged; set model.num_slots={needed} or more",
            stacklevel=2,
        )
