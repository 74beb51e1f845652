"""DeepMind's Multi-Object Datasets (CLEVR with masks and its CLEVR6, Multi-dSprites, Tetrominoes) as HDF5 files.

The originals are TFRecords. Three public exports are read; N images, O entities of which entity 0 is the background:

    clevr6_with_masks_train.h5    groups train, val, test with `imgs` [N,H,W,3], `masks` [N,O,H,W,1] (0 and 255)
                                  (pemami4911/IODINE.pytorch and EfficientMORL, lib/datasets.py)
    clevr_with_masks.hdf5         `image` [N,3,H,W], `mask` [N,O,1,H,W] (0 and 255)
                                  (JohannesTheo/multi_object_datasets_torch)
    clevr_10-full.hdf5            `image` [N,H,W,3], `mask` [N,H,W,1], the number of the entity
                                  (addtt/object-centric-library)

Every image is a scene of one view. There are no poses. In Objects Room, which has the same layouts, walls and sky are
entities too: they come out as objects.
"""

from __future__ import annotations

import h5py
import numpy as np

from datasets.hdf5 import read_row, stored_array
from datasets.hdf5_dataset import Hdf5Dataset, as_rgb, is_array, split_of
from datasets.scene import MAX_ID, DatasetError, Scene, refuse_nan
from datasets.scene_dataset import SPLITS

_MASKS = {"imgs": "masks", "image": "mask"}  # by the name of the images


class MultiObjectDataset(Hdf5Dataset):
    """See `Hdf5Dataset`. Splits are groups of a file, or else what the files' names end with."""

    format = "multi_object"
    layout = "HDF5 files with 'imgs' in groups train, val, test, or with 'image' (CLEVR6 with masks and its siblings)"

    @classmethod
    def arrays(cls, file: h5py.File) -> dict[str, str]:
        grouped = {split: f"{split}/imgs" for split in SPLITS if is_array(file.get(split), "imgs")}
        return grouped or ({split_of(file): "image"} if is_array(file, "image") else {})

    def _scene(self, group: h5py.Group, row: int, name: str) -> Scene:
        images = "imgs" if "imgs" in group else "image"
        image = _channels_last(read_row(stored_array(group, images), row, self._kept), images)
        masks = None
        if _MASKS[images] in group:
            stored = stored_array(group, _MASKS[images])
            rows, expected = stored.shape[:1], group[images].shape[:1]
            if rows != expected:
                raise DatasetError(f"'{_MASKS[images]}' has {sum(rows)} rows, '{images}' has {sum(expected)}")
            masks = _instance_ids(read_row(stored, row, self._kept), image.shape[:2], _MASKS[images])[None]
        meta = {"kind": self.kind, "dataset": self.name}
        return Scene(name=name, images=as_rgb(image, images)[None], masks=masks, meta=meta)


def _channels_last(image: np.ndarray, name: str) -> np.ndarray:
    """[H,W,3] from [H,W,3] or [3,H,W]."""
    if image.ndim == 3 and image.shape[2] == 3:
        return image
    if image.ndim == 3 and image.shape[0] == 3:
        return np.ascontiguousarray(image.transpose(1, 2, 0))
    raise DatasetError(f"'{name}' must be [N,H,W,3] or [N,3,H,W], a row has {list(image.shape)}")


def _instance_ids(mask: np.ndarray, size: tuple[int, int], name: str) -> np.ndarray:
    """uint8 [H,W] from a mask of each entity, [O,H,W,1] or [O,1,H,W], or from entities' numbers, [H,W,1] or [1,H,W]."""
    refuse_nan(name, mask)
    if len(mask) and mask.shape[1:] in ((*size, 1), (1, *size)):
        numbers = mask.reshape(len(mask), *size).argmax(0)  # a pixel that no entity has is the background's
    elif mask.shape in (size, (*size, 1), (1, *size)):
        numbers = mask.reshape(size)
    else:
        raise DatasetError(
            f"'{name}' must be [N,O,H,W,1], [N,O,1,H,W], [N,H,W,1] or [N,1,H,W] with H, W = {list(size)}, "
            f"a row has {list(mask.shape)}"
        )
    if not (0 <= numbers.min() and numbers.max() <= MAX_ID) or (numbers != np.rint(numbers)).any():
        raise DatasetError(f"'{name}' must hold whole numbers from 0 to {MAX_ID}, the entities'")
    return numbers.astype(np.uint8)
