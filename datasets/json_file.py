"""JSON files with one clear error where they are not, and NumPy's values in JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from datasets.scene import DatasetError


def read_json(path: Path, remedy: str) -> Any:
    """What a JSON file holds.

    Args:
        remedy: what the user is to do where that fails.

    Raises:
        DatasetError: the file cannot be read, or is no valid JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror}); {remedy}") from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: is not valid JSON ({error}); {remedy}") from error


def plain(value: Any) -> Any:
    """NumPy's scalars and arrays as what JSON knows; for json.dumps(..., default=plain)."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no place in JSON")
