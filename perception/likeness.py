"""How alike descriptions of objects are."""

from __future__ import annotations

import numpy as np


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine similarities [N,M] of vectors [N,D] with vectors [M,D]; 0 with a vector of zeros."""
    a, b = (vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-8) for vectors in (a, b))
    return a @ b.T
