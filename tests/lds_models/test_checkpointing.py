"""Activation checkpointing: the same loss and gradients from less memory."""

from __future__ import annotations

import pytest
import torch

from lds_models.model import MultiViewModel, SceneModel
from lds_models.registry import build_model

MODELS = {"monet": 0.6, "iodine": 0.6, "mulmon": 0.6, "genesis": 0.9}  # what share is still kept, at most


def build(name: str, checkpointing: bool) -> SceneModel:
    torch.manual_seed(0)
    return build_model({"name": name, "image_size": 32, "num_slots": 3, "checkpointing": checkpointing})


def loss(model: SceneModel) -> torch.Tensor:
    torch.manual_seed(1)
    images, viewpoints = torch.rand(2, 4, 3, 32, 32), torch.randn(2, 4, 3)
    if isinstance(model, MultiViewModel):
        return model.loss(images, viewpoints).total
    return model.loss(images[:, :1]).total


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("bf16", [False, True])
def test_loss_and_gradients_are_the_same(name: str, bf16: bool) -> None:
    found = []
    for checkpointing in (False, True):
        model = build(name, checkpointing)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            total = loss(model)
        total.backward()
        found.append([total.detach(), *(p.grad for p in model.parameters() if p.grad is not None)])
    for kept, recomputed in zip(*found, strict=True):
        torch.testing.assert_close(kept, recomputed, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("name", MODELS)
def test_less_is_kept_for_the_backward_pass(name: str) -> None:
    kept = []
    for checkpointing in (False, True):
        model, storages = build(name, checkpointing), {}

        def keep(tensor: torch.Tensor, storages: dict = storages) -> torch.Tensor:
            storages[tensor.untyped_storage().data_ptr()] = tensor
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss(model)
        kept.append(sum(tensor.untyped_storage().nbytes() for tensor in storages.values()))
    assert kept[1] < MODELS[name] * kept[0]
