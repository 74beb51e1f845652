"""The share of the LDS weight that is in force, by which training warms it up, for every model there is."""

from __future__ import annotations

import pytest
import torch

from lds_models.model import MultiViewModel
from lds_models.registry import MODELS, build_model


def total(name: str, lds_weight: float, lds_scale: float) -> float:
    """The loss of the same images with the same weights and noise."""
    torch.manual_seed(0)
    model = build_model({"name": name, "image_size": 16, "num_slots": 3, "lds_weight": lds_weight}).double()
    model.lds_scale = lds_scale
    images, viewpoints = torch.rand(2, 3, 3, 16, 16, dtype=torch.float64), torch.randn(2, 3, 3, dtype=torch.float64)
    if isinstance(model, MultiViewModel):
        return model.loss(images, viewpoints).total.item()
    return model.loss(images[:, :1]).total.item()


@pytest.mark.parametrize("name", MODELS)
def test_half_of_lds_in_force_is_lds_of_half_the_weight_and_none_is_the_model_without(name: str) -> None:
    whole, half, none = total(name, 2.0, 1.0), total(name, 1.0, 1.0), total(name, 0.0, 1.0)
    assert abs(whole - none) > 1
    assert total(name, 2.0, 0.5) == pytest.approx(half, abs=1e-6)
    assert total(name, 2.0, 0.0) == pytest.approx(none, abs=1e-6)
