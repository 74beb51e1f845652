"""The LDS prior and the likelihood terms against torch.distributions, sklearn and closed forms."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import cosine_similarity
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal, kl_divergence

from lds_models.lds_prior import cosine_similarity_matrix, lds_prior
from lds_models.mixture import categorical_kl, gaussian_kl, mixture_log_likelihood


def test_similarities_are_sklearns() -> None:
    latents = torch.randn(4, 7, 16, dtype=torch.float64)
    expected = np.stack([cosine_similarity(scene) for scene in latents.numpy()])
    np.testing.assert_allclose(cosine_similarity_matrix(latents).numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("std", [0.05, 0.1, 0.5])
def test_prior_sums_log_normal_over_ordered_pairs(std: float) -> None:
    latents = torch.randn(3, 5, 16, dtype=torch.float64)
    normal = Normal(torch.tensor(0.0, dtype=torch.float64), std)
    for scene, value in zip(latents, lds_prior(latents, std), strict=True):
        similarity = torch.from_numpy(cosine_similarity(scene.numpy()))
        expected = sum(normal.log_prob(similarity[h, j]) for h, j in itertools.permutations(range(5), 2))
        torch.testing.assert_close(value, expected)


def test_prior_is_highest_for_orthogonal_latents_and_lowest_for_duplicates() -> None:
    orthogonal = lds_prior(torch.eye(4, 16)[None])
    duplicated = lds_prior(torch.eye(4, 16)[[0, 0, 2, 3]][None])
    torch.testing.assert_close(orthogonal - duplicated, torch.tensor([2 * 1 / (2 * 0.1**2)]))


def test_prior_has_a_gradient_that_separates_duplicates() -> None:
    latents = torch.tensor([[[1.0, 0.1], [1.0, -0.1]]], requires_grad=True)
    lds_prior(latents).sum().backward()
    apart = cosine_similarity_matrix(latents + 1e-3 * latents.grad)[0, 0, 1]
    assert apart < cosine_similarity_matrix(latents)[0, 0, 1]


def test_prior_is_finite_for_a_zero_latent() -> None:
    latents = torch.zeros(1, 3, 4, requires_grad=True)
    value = lds_prior(latents)
    value.sum().backward()
    assert torch.isfinite(value).all() and torch.isfinite(latents.grad).all()


def test_prior_stays_float32_under_bf16_autocast() -> None:
    latents = torch.randn(2, 7, 16)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(lds_prior(latents), lds_prior(latents), rtol=0, atol=0)
        assert lds_prior(latents.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize("std", [0.1, torch.tensor([0.09, 0.11, 0.11, 0.2], dtype=torch.float64)])
def test_likelihood_is_that_of_a_mixture_per_pixel(std: float | torch.Tensor) -> None:
    images = torch.rand(2, 3, 3, 4, 5, dtype=torch.float64)
    appearances = torch.rand(2, 3, 4, 3, 4, 5, dtype=torch.float64)
    log_masks = torch.randn(2, 3, 4, 1, 4, 5, dtype=torch.float64).log_softmax(2)
    noise = torch.as_tensor(std, dtype=torch.float64).expand(4)[:, None]
    # torch.distributions wants the mixture's components last but one: [B,V,H,W,K,3]
    pixels = Independent(Normal(appearances.permute(0, 1, 4, 5, 2, 3), noise), 1)
    mixture = MixtureSameFamily(Categorical(logits=log_masks[:, :, :, 0].permute(0, 1, 3, 4, 2)), pixels)
    expected = mixture.log_prob(images.permute(0, 1, 3, 4, 2)).sum((1, 2, 3))
    torch.testing.assert_close(mixture_log_likelihood(images, appearances, log_masks, std), expected)


def test_gaussian_kl_is_torchs() -> None:
    mean, std = torch.randn(3, 5, 16, dtype=torch.float64), torch.rand(3, 5, 16, dtype=torch.float64) + 0.1
    expected = kl_divergence(Normal(mean, std), Normal(torch.zeros_like(mean), torch.ones_like(std))).sum((1, 2))
    torch.testing.assert_close(gaussian_kl(mean, std), expected)


def test_categorical_kl_is_torchs() -> None:
    log_q, log_p = (torch.randn(2, 1, 4, 1, 6, 6, dtype=torch.float64).log_softmax(2) for _ in range(2))
    per_pixel = kl_divergence(*(Categorical(logits=t[:, :, :, 0].permute(0, 1, 3, 4, 2)) for t in (log_q, log_p)))
    torch.testing.assert_close(categorical_kl(log_q, log_p), per_pixel.sum((1, 2, 3)))
