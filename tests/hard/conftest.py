"""How much of the hard knocks is given: LDS_HARD=full (`./run test hard`), or a small share of each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from nursery import Nursery

PRELOADED = (
    "datasets.loading", "datasets.packing", "capture.calibration.calibration", "capture.storage.recording_folder",
    "capture.cameras.settings", "capture.motion.robot_profile", "capture.motion.viewpoints",
    "lds_models.training.loop", "lds_cli.evaluate", "torch.utils.tensorboard", "lds_models.report", "cv2",
)  # fmt: skip


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    made = Nursery(PRELOADED)
    yield made
    made.close()


@pytest.fixture(scope="session")
def share() -> Callable[[int], int]:
    """How many to take of the full number of inputs or kills."""
    full = os.environ.get("LDS_HARD") == "full"
    return lambda number: number if full else max(1, number // 25)
