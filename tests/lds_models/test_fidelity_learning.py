"""Every model with LDS overfits four small scenes in 200 steps."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from lds_models.registry import build_model

SIZE, VIEWS = 16, 3
MODELS: dict[str, dict[str, Any]] = {
    "monet": {"attention_channels": 8, "decoder_channels": 8},
    "genesis": {"decoder_channels": 8, "pixel_std": 0.1},
    "iodine": {"decoder_channels": 8, "refinement_channels": 8, "hidden": 32, "iterations": 3},
    "mulmon": {"decoder_channels": 8, "hidden": 32, "iterations": 3, "max_observed": 2},
}


def moving_squares() -> tuple[Tensor, Tensor]:
    """Four scenes of a dark square on a coloured ground, which stands elsewhere in each view; and the viewpoints."""
    images, viewpoints = torch.full([4, VIEWS, 3, SIZE, SIZE], 0.9), torch.zeros(4, VIEWS, 3)
    for scene in range(4):
        for view in range(VIEWS):
            top, left = 1 + 2 * scene, 1 + 4 * view
            images[scene, view, scene % 3, top : top + 6, left : left + 6] = 0.1
            viewpoints[scene, view, 0] = view - 1.0
    return images, viewpoints


@pytest.mark.parametrize("name", MODELS)
def test_four_scenes_are_overfitted(name: str) -> None:
    torch.manual_seed(0)
    settings = {"image_size": SIZE, "num_slots": 3, "lds_weight": 0.5, **MODELS[name]}
    model = build_model({"name": name, **settings}).to(memory_format=torch.channels_last)
    images, viewpoints = moving_squares()
    data = (images, viewpoints) if name == "mulmon" else (images[:, :1], None)
    optimiser = torch.optim.Adam(model.parameters(), 5e-3 if name == "monet" else 3e-3)
    nlls = []
    for _ in range(200):
        terms = model.loss(*data)
        optimiser.zero_grad()
        terms.total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        nlls.append(terms.nll.item() + (0.0 if terms.query_nll is None else terms.query_nll.item()))
    images_explained = 1 if name != "mulmon" else 2  # a view that was observed, and one that was not
    best_possible = -3 * SIZE**2 * 1.3836 * images_explained  # the log density of a normal at its mean, sigma 0.1
    start, end = (sum(part) / len(part) - best_possible for part in (nlls[:5], nlls[-20:]))
    assert end < 0.4 * start, f"from {start:.0f} to {end:.0f} nats above the best possible"
