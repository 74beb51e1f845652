"""Weights for tests that need a model but not a good one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lds_models.monet import MONet, MONetConfig
from lds_models.weights import save_weights


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained MONet of 4 slots for 32x32 pixels."""
    torch.manual_seed(0)
    model = MONet(MONetConfig(image_size=32, num_slots=4, attention_channels=8, decoder_channels=8))
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(path, model, {"name": "tiny"})
    return path
