"""Every fast path against the plain formulation in float64, on fresh random inputs, with gradients."""

from __future__ import annotations

import pytest
import torch

from lds_models.monet import MONet, MONetConfig
from lds_models.reference import plain


@pytest.mark.parametrize("patch", [1, 2])
def test_monets_loss_and_gradients_equal_the_plain_formulation(patch: int) -> None:
    seed = torch.seed()  # fresh inputs each time; the seed shows in a failure's message
    sizes = {"image_size": 32, "num_slots": 4, "attention_channels": 8, "decoder_channels": 8}
    config = MONetConfig(**sizes, patch=patch, lds_weight=0.5)
    fast = MONet(config).double().to(memory_format=torch.channels_last)
    reference = plain(fast)
    images = torch.rand(2, 1, 3, 32, 32, dtype=torch.float64)
    losses = []
    for model in (fast, reference):
        torch.manual_seed(seed % 2**31)
        losses.append(model.loss(images).total)
        losses[-1].backward()
    torch.testing.assert_close(*losses, msg=lambda text: f"seed {seed}: {text}")
    for name in ("encoder.head.0.weight", "attention.head.weight", "attention.middle.0.weight", "decoder.head.weight"):
        gradients = (model.get_parameter(name).grad for model in (fast, reference))
        torch.testing.assert_close(*gradients, msg=lambda text, name=name: f"{name}, {seed}: {text}")
    plain_first = reference.decoder.first.weight.grad
    torch.testing.assert_close(fast.decoder.from_coordinates.weight.grad, plain_first[:, -2:])
    torch.testing.assert_close(fast.decoder.from_latent.weight.grad, plain_first[:, :-2, 1, 1])
