"""IODINE: the contract of scene models, its objective, and inference without gradients of the caller."""

from __future__ import annotations

import pytest
import torch

from lds_models.iodine import IODINE, IODINEConfig
from lds_models.iterative import Posterior, gaussian_kl_between, gaussian_kl_gradient
from lds_models.registry import ConfigError, build_model

SIZES = {"image_size": 16, "num_slots": 3, "decoder_channels": 4, "refinement_channels": 4, "hidden": 8}


def build(**settings) -> IODINE:
    torch.manual_seed(0)
    return IODINE(IODINEConfig(**SIZES, **settings))


@pytest.mark.parametrize("patch", [1, 2])
def test_inference_keeps_the_contract(patch: int) -> None:
    model, images = build(patch=patch), torch.rand(2, 1, 3, 16, 16)
    with torch.inference_mode():
        inference = model.infer(images)
    assert inference.mean.shape == inference.std.shape == inference.sample.shape == (2, 3, 16)
    assert inference.log_masks.shape == (2, 1, 3, 1, 16, 16)
    assert inference.appearances.shape == (2, 1, 3, 3, 16, 16)
    assert inference.reconstruction.shape == (2, 1, 3, 16, 16)
    torch.testing.assert_close(inference.log_masks.exp().sum(2), torch.ones(2, 1, 1, 16, 16))
    assert 0 <= inference.appearances.min() and inference.appearances.max() <= 1
    torch.testing.assert_close(inference.reconstruction, (inference.log_masks.exp() * inference.appearances).sum(2))


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_inference_is_the_same_whether_the_caller_wants_gradients_or_not(context: type) -> None:
    model, images = build(), torch.rand(2, 1, 3, 16, 16)
    torch.manual_seed(1)
    expected = model.infer(images).mean
    torch.manual_seed(1)
    with context():
        assert torch.equal(model.infer(images).mean, expected)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_inference_pulls_equal_slots_apart() -> None:
    inference = build().infer(torch.rand(2, 1, 3, 16, 16))
    assert (inference.mean[:, 0] - inference.mean[:, 1]).abs().amax(-1).min() > 1e-4


def test_total_weighs_iterations_by_their_number() -> None:
    model, images = build(iterations=1, lds_weight=2.0), torch.rand(2, 1, 3, 16, 16)
    terms = model.loss(images)
    torch.testing.assert_close(terms.total, terms.nll + terms.kl_latent - 2 * terms.lds)
    # With a network that changes nothing, every iteration is the first one with other noise.
    model = build(iterations=3, lds_weight=2.0)
    for parameter in model.refiner.network.head.parameters():
        torch.nn.init.zeros_(parameter)
    model.noise_like = torch.zeros_like
    terms = model.loss(images)
    once = terms.nll + terms.kl_latent - 2 * terms.lds
    torch.testing.assert_close(terms.total, (1 + 2 + 3) / 3 * once)


def test_lds_leaves_inference_untouched() -> None:
    images, outputs = torch.rand(2, 1, 3, 16, 16), []
    for weight in (0.0, 1.0):
        model = build(lds_weight=weight)
        torch.manual_seed(1)
        outputs.append(model.infer(images).log_masks)
    torch.testing.assert_close(*outputs, rtol=0, atol=0)


def test_losses_of_two_shards_average_to_the_whole_batchs() -> None:
    model, images, losses = build(), torch.rand(4, 1, 3, 16, 16), []
    for shard, part in (((0, 1), images), ((0, 2), images[:2]), ((1, 2), images[2:])):
        model.shard = shard
        torch.manual_seed(1)
        losses.append(model.loss(part).total)
    torch.testing.assert_close((losses[1] + losses[2]) / 2, losses[0])


def test_kl_between_gaussians_is_torchs_with_its_gradient() -> None:
    q, p = (Posterior(*(torch.randn(2, 3, 5, dtype=torch.float64, requires_grad=True) for _ in range(2))) for _ in "qp")
    normal_q, normal_p = (torch.distributions.Normal(x.mean, x.std) for x in (q, p))
    expected = torch.distributions.kl_divergence(normal_q, normal_p).sum((1, 2))
    torch.testing.assert_close(gaussian_kl_between(q, p), expected)
    for ours, theirs in zip(
        gaussian_kl_gradient(q, p), torch.autograd.grad(expected.sum(), (q.mean, q.logvar)), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


def test_unknown_setting_is_named() -> None:
    with pytest.raises(ConfigError, match="its settings are .*iterations"):
        build_model({"name": "iodine", "steps": 5})


def test_image_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected images \[B,V,3,16,16\]"):
        build().loss(torch.rand(1, 1, 3, 32, 32))
