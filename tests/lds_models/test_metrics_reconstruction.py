from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import mean_squared_error as sklearn_mse

from lds_models.metrics.reconstruction import mean_squared_error


def test_mse_is_the_mean_over_pixels_and_channels_of_each_image():
    rng = np.random.default_rng(0)
    images, reconstruction = rng.random((2, 5, 3, 8, 8), dtype=np.float32)
    expected = [sklearn_mse(a.ravel(), b.ravel()) for a, b in zip(images, reconstruction, strict=True)]
    assert mean_squared_error(images, reconstruction) == pytest.approx(expected)


def test_mse_refuses_shapes_that_would_broadcast():
    with pytest.raises(ValueError, match="must agree"):
        mean_squared_error(np.zeros((2, 3, 4, 4)), np.zeros((1, 3, 4, 4)))
