"""The likelihood and KL terms that all models share, against torch.distributions and finite differences."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal, kl_divergence

from lds_models.mixture import categorical_kl, gaussian_kl, log_responsibilities, mixture_log_likelihood


def random_mixture(views: int = 3, slots: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    """Images [2,V,3,4,5], appearances [2,V,K,3,4,5] and log masks [2,V,K,1,4,5], float64."""
    images = torch.rand(2, views, 3, 4, 5, dtype=torch.float64)
    appearances = torch.rand(2, views, slots, 3, 4, 5, dtype=torch.float64)
    return images, appearances, random_log_masks(2, views, slots, 1, 4, 5)


def random_log_masks(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64).log_softmax(2)


def per_pixel(log_masks: Tensor) -> Categorical:
    """The categorical over slots of each pixel, its batch [B,V,H,W]."""
    return Categorical(logits=log_masks[:, :, :, 0].permute(0, 1, 3, 4, 2))


@pytest.mark.parametrize("std", [0.1, torch.tensor([0.09, 0.11, 0.11, 0.2], dtype=torch.float64)])
def test_likelihood_is_that_of_a_mixture_per_pixel(std: float | Tensor) -> None:
    images, appearances, log_masks = random_mixture()
    noise = torch.as_tensor(std, dtype=torch.float64).expand(4)[:, None]
    # torch.distributions wants the mixture's components last but one: [B,V,H,W,K,3]
    pixels = Independent(Normal(appearances.permute(0, 1, 4, 5, 2, 3), noise), 1)
    expected = MixtureSameFamily(per_pixel(log_masks), pixels).log_prob(images.permute(0, 1, 3, 4, 2)).sum((1, 2, 3))
    torch.testing.assert_close(mixture_log_likelihood(images, appearances, log_masks, std), expected)


@pytest.mark.parametrize("std", [0.1, torch.tensor([0.09, 0.11, 0.11, 0.2], dtype=torch.float64)])
def test_responsibilities_are_bayes_rule(std: float | Tensor) -> None:
    images, appearances, log_masks = random_mixture()
    noise = torch.as_tensor(std, dtype=torch.float64).expand(4).view(4, 1, 1, 1)
    density = Normal(appearances, noise).log_prob(images[:, :, None]).sum(3, keepdim=True).exp()
    joint = log_masks.exp() * density
    expected = joint / joint.sum(2, keepdim=True)
    torch.testing.assert_close(log_responsibilities(images, appearances, log_masks, std).exp(), expected)


def test_likelihood_of_one_slot_is_a_normals() -> None:
    images, appearances, _ = random_mixture(slots=1)
    expected = Normal(appearances[:, :, 0], 0.1).log_prob(images).sum((1, 2, 3, 4))
    log_masks = torch.zeros(2, 3, 1, 1, 4, 5, dtype=torch.float64)
    torch.testing.assert_close(mixture_log_likelihood(images, appearances, log_masks, 0.1), expected)


def test_slot_without_pixels_leaves_the_likelihood_as_it_is() -> None:
    images, appearances, log_masks = random_mixture()
    hidden = torch.full_like(log_masks[:, :, :1], -1e4)
    more = mixture_log_likelihood(
        images, torch.cat([appearances, 1e3 * appearances[:, :, :1]], 2), torch.cat([log_masks, hidden], 2), 0.1
    )
    torch.testing.assert_close(more, mixture_log_likelihood(images, appearances, log_masks, 0.1))


def test_likelihoods_gradients_are_those_of_finite_differences() -> None:
    images, *inputs = (t[:1, :1, ..., :2, :2] for t in random_mixture())
    assert torch.autograd.gradcheck(
        lambda appearances, log_masks: mixture_log_likelihood(images, appearances, log_masks, 0.5),
        [t.clone().requires_grad_() for t in inputs],
    )


def test_gaussian_kl_is_torchs() -> None:
    mean, std = torch.randn(3, 5, 16, dtype=torch.float64), torch.rand(3, 5, 16, dtype=torch.float64) + 0.1
    expected = kl_divergence(Normal(mean, std), Normal(torch.zeros_like(mean), torch.ones_like(std))).sum((1, 2))
    torch.testing.assert_close(gaussian_kl(mean, std), expected)
    prior = gaussian_kl(torch.zeros_like(mean), torch.ones_like(std))
    torch.testing.assert_close(prior, torch.zeros(3, dtype=torch.float64), rtol=0, atol=0)


def test_categorical_kl_is_torchs() -> None:
    log_q, log_p = random_log_masks(2, 3, 4, 1, 6, 6), random_log_masks(2, 3, 4, 1, 6, 6)
    expected = kl_divergence(per_pixel(log_q), per_pixel(log_p)).sum((1, 2, 3))
    torch.testing.assert_close(categorical_kl(log_q, log_p), expected)
    torch.testing.assert_close(categorical_kl(log_q, log_q), torch.zeros_like(expected))


def test_kls_gradients_are_those_of_finite_differences() -> None:
    mean, std = torch.randn(1, 2, 3, dtype=torch.float64), torch.rand(1, 2, 3, dtype=torch.float64) + 0.1
    assert torch.autograd.gradcheck(gaussian_kl, (mean.requires_grad_(), std.requires_grad_()))
    logits = [torch.randn(1, 1, 3, 1, 2, 2, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(lambda *t: categorical_kl(*(x.log_softmax(2) for x in t)), logits)


def test_categorical_kl_is_finite_for_masks_that_have_vanished() -> None:
    logits = torch.tensor([0.0, -200.0, -1e4]).view(1, 1, 3, 1, 1, 1).requires_grad_()
    value = categorical_kl(logits.log_softmax(2), torch.zeros_like(logits).log_softmax(2))
    value.sum().backward()
    assert torch.isfinite(value).all() and torch.isfinite(logits.grad).all()
