"""Kernels of LDS against sklearn, scipy and closed forms, at their limits, and what the learned one can learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import cosine_similarity, rbf_kernel
from torch import Tensor

from lds_models.lds_kernels import KERNELS, RBF, Cosine, Kernel, Mahalanobis, Wasserstein, cosine_similarity_matrix

D, LENGTH = 6, 0.7
EVERY_KERNEL = pytest.mark.parametrize("name", KERNELS)
EVERY_DISTANCE_KERNEL = pytest.mark.parametrize("kernel_class", [RBF, Wasserstein, Mahalanobis])


def posteriors(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Means and standard deviations [B,K,D] of 3 scenes with 5 slots."""
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(3, 5, D, generator=generator, dtype=dtype)
    return mean, torch.rand(3, 5, D, generator=generator, dtype=dtype) + 0.1


def uneven_mahalanobis() -> Mahalanobis:
    kernel = Mahalanobis(D, LENGTH).double()
    kernel.logits.data = torch.linspace(-2, 1, D, dtype=torch.float64)
    return kernel


def test_cosine_is_sklearns() -> None:
    mean, std = posteriors()
    expected = np.stack([cosine_similarity(scene) for scene in mean.numpy()])
    np.testing.assert_allclose(Cosine(D, LENGTH)(mean, std).numpy(), expected, atol=1e-12)


def test_rbf_is_sklearns_with_the_length_scale_per_dimension() -> None:
    mean, std = posteriors()
    expected = np.stack([rbf_kernel(scene, gamma=1 / (2 * D * LENGTH**2)) for scene in mean.numpy()])
    np.testing.assert_allclose(RBF(D, LENGTH)(mean, std).numpy(), expected, atol=1e-12)


def test_wasserstein_is_that_of_gaussians_with_any_covariance() -> None:
    mean, std = posteriors()

    def squared_distance(h: int, j: int) -> float:
        first, second = (np.diag(std[0, k].numpy() ** 2) for k in (h, j))
        root = sqrtm(second)
        between = np.trace(first + second - 2 * sqrtm(root @ first @ root)).real
        return float((mean[0, h] - mean[0, j]).square().sum()) + between

    expected = [[math.exp(-squared_distance(h, j) / (2 * D * LENGTH**2)) for j in range(5)] for h in range(5)]
    np.testing.assert_allclose(Wasserstein(D, LENGTH)(mean, std)[0].numpy(), expected, atol=1e-9)


def test_wasserstein_tells_a_sure_slot_from_an_unsure_one_with_the_same_mean() -> None:
    mean, std = torch.zeros(1, 2, D), torch.stack([torch.full([D], 0.1), torch.ones(D)])[None]
    assert RBF(D, LENGTH)(mean, std)[0, 0, 1] == 1
    torch.testing.assert_close(Wasserstein(D, LENGTH)(mean, std)[0, 0, 1].item(), math.exp(-(0.9**2) / 2 / LENGTH**2))


def test_mahalanobis_is_scipys() -> None:
    mean, std = posteriors()
    kernel = uneven_mahalanobis()
    inverse_covariance = np.diag(kernel.weights.detach().numpy())
    for scene, similarity in zip(mean.numpy(), kernel(mean, std).detach().numpy(), strict=True):
        distance = cdist(scene, scene, "mahalanobis", VI=inverse_covariance)
        np.testing.assert_allclose(similarity, np.exp(-(distance**2) / (2 * D * LENGTH**2)), atol=1e-12)


def test_mahalanobis_starts_as_the_rbf() -> None:
    mean, std = posteriors()
    torch.testing.assert_close(Mahalanobis(D, LENGTH).double()(mean, std), RBF(D, LENGTH)(mean, std))


@EVERY_DISTANCE_KERNEL
def test_similarities_are_symmetric_in_0_to_1_and_1_only_on_the_diagonal(kernel_class: type[Kernel]) -> None:
    similarity = kernel_class(D, LENGTH).double()(*posteriors()).detach()
    torch.testing.assert_close(similarity, similarity.transpose(1, 2), rtol=0, atol=0)
    diagonal = torch.eye(5, dtype=torch.bool).expand(3, 5, 5)
    assert (similarity[diagonal] == 1).all()
    assert (similarity[~diagonal] > 0).all() and (similarity[~diagonal] < 1).all()


@pytest.mark.parametrize("latent_dim", [4, 16, 64])
def test_draws_from_the_prior_are_about_as_similar_whatever_the_latents_dimension(latent_dim: int) -> None:
    torch.manual_seed(0)
    draws = torch.randn(20_000, 2, latent_dim)
    similarity = RBF(latent_dim, 0.5)(draws, torch.ones_like(draws))[:, 0, 1]
    # The squared distance is 2 chi^2 with D degrees of freedom: the mean is chi^2's moment generating function.
    expected = (1 + 2 / (latent_dim * 0.5**2)) ** (-latent_dim / 2)
    assert similarity.mean().item() == pytest.approx(expected, rel=0.05)
    assert expected < 0.12


@EVERY_KERNEL
def test_order_of_slots_does_not_matter(name: str) -> None:
    mean, std = posteriors()
    kernel, order = KERNELS[name](D, LENGTH).double(), torch.tensor([3, 0, 4, 1, 2])
    expected = kernel(mean, std)[:, order][:, :, order]
    torch.testing.assert_close(kernel(mean[:, order], std[:, order]), expected)


@EVERY_KERNEL
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    kernel = KERNELS[name](D, LENGTH).double()
    inputs = [t[:1, :3].clone().requires_grad_() for t in posteriors()]
    assert torch.autograd.gradcheck(kernel, inputs)


def test_gradients_of_the_learned_weights_are_those_of_finite_differences() -> None:
    mean, std = posteriors()
    kernel = uneven_mahalanobis()

    def similarity(logits: Tensor) -> Tensor:
        return torch.func.functional_call(kernel, {"logits": logits}, (mean, std))

    assert torch.autograd.gradcheck(similarity, kernel.logits)


@EVERY_KERNEL
@pytest.mark.parametrize("size", [0.0, 1e-30, 1.0, 1e10, 1e20, 1e30])
@pytest.mark.parametrize("alike", [True, False])
def test_values_and_gradients_are_finite_at_the_limits(name: str, size: float, alike: bool) -> None:
    kernel = KERNELS[name](D, LENGTH)
    mean, std = (t * size for t in posteriors(torch.float32))
    if alike:
        mean, std = mean[:, :1].repeat(1, 5, 1), std[:, :1].repeat(1, 5, 1)
    inputs = [mean.requires_grad_(), std.requires_grad_(), *kernel.parameters()]
    similarity = kernel(mean, std)
    gradients = torch.autograd.grad(similarity.square().sum(), inputs, allow_unused=True)
    assert torch.isfinite(similarity).all()
    assert all(torch.isfinite(gradient).all() for gradient in gradients if gradient is not None)


@EVERY_KERNEL
def test_precision_is_float32_under_bf16_autocast_and_float64_where_given(name: str) -> None:
    kernel, (mean, std) = KERNELS[name](D, LENGTH), posteriors(torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        wide = kernel(mean, std)
        narrow = kernel(mean.bfloat16(), std.bfloat16())
    torch.testing.assert_close(wide, kernel(mean, std), rtol=0, atol=0)
    torch.testing.assert_close(narrow, kernel(mean.bfloat16().float(), std.bfloat16().float()), rtol=0, atol=0)
    assert kernel(*posteriors()).dtype == torch.float64


def learn(kernel: Mahalanobis, mean: Tensor, steps: int = 300) -> None:
    """Make the scenes' slots dissimilar by the kernel's weights alone."""
    optimiser = torch.optim.Adam(kernel.parameters(), 0.05)
    for _ in range(steps):
        optimiser.zero_grad()
        kernel(mean, torch.ones_like(mean)).square().sum((1, 2)).mean().backward()
        optimiser.step()


def test_learned_weights_keep_their_sum_and_duplicates_stay_similar() -> None:
    torch.manual_seed(0)
    kernel = Mahalanobis(D, 0.5)
    mean = torch.randn(50, 4, D)
    mean[:, 1] = mean[:, 0] + 0.05 * torch.randn(50, D)
    learn(kernel, mean)
    assert kernel.weights.sum().item() == pytest.approx(D) and (kernel.weights >= 0).all()
    similarity = kernel(mean, mean)
    floor = torch.exp(-(mean.unsqueeze(1) - mean.unsqueeze(2)).abs().amax(-1).square() / (2 * 0.5**2))
    assert (similarity >= floor - 1e-6).all()
    assert similarity[:, 0, 1].min() > 0.9


def test_weights_grow_where_slots_differ_and_stay_even_where_dimensions_are_alike() -> None:
    torch.manual_seed(0)
    spread = torch.tensor([1.0, 1.0, 1.0, 0.1, 0.1, 0.1])  # the last three dimensions hardly tell slots apart
    kernel = Mahalanobis(D, 0.5)
    learn(kernel, spread * torch.randn(400, 4, D))
    weights = kernel.weights.detach()
    torch.testing.assert_close(weights[:3], torch.full([3], D / 3), rtol=0.2, atol=0)
    assert weights[3:].max() < 0.1


def test_cosine_similarity_ignores_lengths_and_the_others_do_not() -> None:
    mean, std = torch.tensor([[[1.0, 0.0], [3.0, 0.0]]]), torch.ones(1, 2, 2)
    assert cosine_similarity_matrix(mean)[0, 0, 1] == 1
    assert RBF(2, 0.5)(mean, std)[0, 0, 1].item() == pytest.approx(math.exp(-4 / (2 * 2 * 0.25)))
