"""The spatial broadcast decoder: the plain convolution over the broadcast latent, and its gradient by the latents."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lds_models.decoder import BroadcastDecoder

SHAPES = [("relu", False, 1), ("elu", True, 1), ("elu", False, 2), ("relu", True, 2)]


def plain(decoder: BroadcastDecoder, latents: Tensor, activation: str) -> Tensor:
    """Layer by layer, with a latent that is copied to every position and nine equal taps on it."""
    activate = {"relu": F.relu, "elu": F.elu}[activation]
    grid = decoder.coordinates.shape[-1]
    seen = torch.cat(
        [latents[:, :, None, None].expand(-1, -1, grid, grid), decoder.coordinates.expand(len(latents), -1, -1, -1)], 1
    )
    on_latent = decoder.from_latent.weight[:, :, None, None].expand(-1, -1, 3, 3) / 9
    kernel = torch.cat([on_latent, decoder.from_coordinates.weight], 1)
    x = activate(F.conv2d(seen, kernel, decoder.from_latent.bias))
    for layer in decoder.hidden:
        if isinstance(layer, nn.Conv2d):
            x = activate(F.conv2d(x, layer.weight, layer.bias, padding=layer.padding))
    x = F.conv2d(x, decoder.head.weight, decoder.head.bias)
    return F.interpolate(x, scale_factor=float(decoder.patch), mode="bilinear") if decoder.patch > 1 else x


def build(activation: str, padded: bool, patch: int) -> tuple[BroadcastDecoder, Tensor]:
    torch.manual_seed(0)
    decoder = BroadcastDecoder(5, 4, 16, 6, 4, patch, activation, padded).double()
    return decoder, torch.randn(3, 5, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("shape", SHAPES)
def test_it_equals_convolutions_over_the_broadcast_latent_with_all_gradients(shape: tuple[str, bool, int]) -> None:
    decoder, latents = build(*shape)
    ours, theirs = decoder(latents), plain(decoder, latents, shape[0])
    assert ours.shape == (3, 4, 16, 16)
    torch.testing.assert_close(ours, theirs)
    inputs, upstream = [latents, *decoder.parameters()], torch.randn_like(ours)
    gradients = (torch.autograd.grad(drawn, inputs, upstream) for drawn in (ours, theirs))
    for of_ours, of_theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(of_ours, of_theirs)


@pytest.mark.parametrize("with_graph", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_by_the_latents_alone_is_autograds(shape: tuple[str, bool, int], with_graph: bool) -> None:
    decoder, latents = build(*shape)
    with torch.set_grad_enabled(with_graph):
        drawn, pull_back = decoder.traced(latents)
    upstream = torch.randn_like(drawn)
    (expected,) = torch.autograd.grad(plain(decoder, latents, shape[0]), latents, upstream)
    before = upstream.clone()
    for _ in range(2):  # what is kept for it must outlive its use
        torch.testing.assert_close(pull_back(upstream), expected)
    torch.testing.assert_close(upstream, before, rtol=0, atol=0)


def test_both_gradients_may_be_taken_of_one_drawing() -> None:
    decoder, latents = build("elu", True, 1)
    drawn, pull_back = decoder.traced(latents)
    upstream = torch.randn_like(drawn)
    first = pull_back(upstream)
    (second,) = torch.autograd.grad(drawn, latents, upstream)
    torch.testing.assert_close(first, second)
