"""GQN-Jaco as MulMON published it (Nanbo Li et al., NeurIPS 2020), a part of DeepMind's GQN datasets.

    gqn_jaco_train.h5  gqn_jaco_test.h5

Each holds `images` [N,V,H,W,3], uint8 or floats in [0,1], and `viewpoints` [N,V,7]. MulMON's own reader is
`data_loader/getGqnH5.py`. There are no masks.

A viewpoint is (x, y, z, sin yaw, cos yaw, sin pitch, cos pitch), as DeepMind's `data_reader.py` makes it of the five
numbers it stores. Nowhere is it told in which direction a camera of yaw 0 looks, which way the angles grow, and where
the origin is. So a scene has no poses; its viewpoints are there as `Scene.viewpoints("gqn")`.
"""

from __future__ import annotations

import h5py
import numpy as np

from datasets.hdf5 import read_row, stored_array
from datasets.hdf5_dataset import Hdf5Dataset, as_rgb, is_array, split_of
from datasets.scene import DatasetError, Scene, refuse_nan

VIEWPOINT_DIM = 7


class GqnJacoDataset(Hdf5Dataset):
    """See `Hdf5Dataset`. Splits are what the files' names end with."""

    format = "gqn_jaco"
    layout = "HDF5 files with 'images' and 'viewpoints' (gqn_jaco_train.h5, gqn_jaco_test.h5)"

    @classmethod
    def arrays(cls, file: h5py.File) -> dict[str, str]:
        return {split_of(file): "images"} if is_array(file, "images") and is_array(file, "viewpoints") else {}

    def _scene(self, group: h5py.Group, row: int, name: str) -> Scene:
        stored, told = stored_array(group, "images"), stored_array(group, "viewpoints")
        if stored.ndim != 5 or stored.shape[-1] != 3:
            raise DatasetError(f"'images' must be [N,V,H,W,3], got {list(stored.shape)}")
        if told.shape != (*stored.shape[:2], VIEWPOINT_DIM):
            expected = [*stored.shape[:2], VIEWPOINT_DIM]
            raise DatasetError(f"'viewpoints' must be {expected} to match the images, got {list(told.shape)}")
        with np.errstate(over="ignore"):
            viewpoints = read_row(told, row, self._kept).astype(np.float32).astype(np.float64)
        refuse_nan("viewpoints", viewpoints)
        meta = {"kind": self.kind, "dataset": self.name, "gqn_viewpoints": viewpoints.tolist()}
        return Scene(name=name, images=as_rgb(read_row(stored, row, self._kept), "images"), meta=meta)
