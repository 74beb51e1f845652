"""How well slots reconstruct."""

from __future__ import annotations

import numpy as np


def mean_squared_error(images: np.ndarray, reconstruction: np.ndarray) -> np.ndarray:
    """Mean over pixels and channels of the squared error, float64 [N]; both are RGB in [0,1], [N,...], of one shape."""
    if images.shape != reconstruction.shape:
        raise ValueError(f"images {list(images.shape)} and reconstruction {list(reconstruction.shape)} must agree")
    error = images.astype(np.float64) - reconstruction
    return np.square(error).reshape(len(images), -1).mean(1)
