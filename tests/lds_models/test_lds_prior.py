"""The LDS prior, the paper's and with each of its settings, against scipy, sklearn, closed forms, and in training."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.metrics.pairwise import cosine_similarity, rbf_kernel
from torch import Tensor

from lds_models.lds_kernels import KERNELS, RBF, Wasserstein
from lds_models.lds_prior import LDS, LDSConfig, cosine_similarity_matrix, lds_prior, visibility
from lds_models.metrics.duplicates import min_pixels
from lds_models.registry import MODELS, ConfigError, build_model
from lds_models.training.experiment import load_experiment
from lds_models.weights import load_weights, save_weights

B, V, K, D, SIZE = 3, 2, 4, 6, 8
SETTINGS = [
    {"lds_kernel": kernel, "lds_penalty": penalty, "lds_pairs": pairs}
    for kernel, penalty, pairs in itertools.product(KERNELS, ("gaussian", "squared"), ("all", "visible"))
]
EVERY_SETTING = pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: "-".join(s.values()))
TINY_MONET = {
    "name": "monet", "image_size": 16, "num_slots": 3, "latent_dim": 4, "attention_channels": 4,
    "decoder_channels": 4, "lds_weight": 0.5,
}  # fmt: skip


def posteriors(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What LDS takes: mean, std and sample [B,K,D], log masks [B,V,K,1,H,W]."""
    generator = torch.Generator().manual_seed(0)
    mean, noise = (torch.randn(B, K, D, generator=generator, dtype=dtype) for _ in range(2))
    std = torch.rand(B, K, D, generator=generator, dtype=dtype) + 0.1
    masks = torch.randn(B, V, K, 1, SIZE, SIZE, generator=generator, dtype=dtype).log_softmax(2)
    return mean, std, mean + std * noise, masks


def masks_with_shares(shares: list[float], size: int) -> Tensor:
    """Log masks [1,1,K,1,size,size] in which each slot has a share of the columns to itself."""
    columns = torch.arange(size) / size
    edges = torch.tensor([0.0, *shares]).cumsum(0)
    masks = torch.stack([(columns >= a) & (columns < b) for a, b in itertools.pairwise(edges)]).double()
    return masks[None, None, :, None, None, :].expand(1, 1, len(shares), 1, size, size).log()


# The paper's prior (eq. 3)


@pytest.mark.parametrize("std", [0.05, 0.1, 0.5])
def test_prior_sums_log_normal_over_ordered_pairs(std: float) -> None:
    latents = posteriors()[0]
    for scene, value in zip(latents, lds_prior(latents, std), strict=True):
        similarity = cosine_similarity(scene.numpy())
        expected = sum(norm.logpdf(similarity[h, j], 0, std) for h, j in itertools.permutations(range(K), 2))
        assert value.item() == pytest.approx(expected, rel=1e-10)


def test_prior_is_highest_for_orthogonal_latents_and_lowest_for_duplicates() -> None:
    orthogonal = lds_prior(torch.eye(4, 16)[None])
    duplicated = lds_prior(torch.eye(4, 16)[[0, 0, 2, 3]][None])
    torch.testing.assert_close(orthogonal - duplicated, torch.tensor([2 * 1 / (2 * 0.1**2)]))


def test_prior_has_a_gradient_that_separates_duplicates() -> None:
    latents = torch.tensor([[[1.0, 0.1], [1.0, -0.1]]], requires_grad=True)
    lds_prior(latents).sum().backward()
    apart = cosine_similarity_matrix(latents + 1e-3 * latents.grad)[0, 0, 1]
    assert apart < cosine_similarity_matrix(latents)[0, 0, 1]


@pytest.mark.parametrize("on", [None, "sample", "mean"])
def test_default_settings_give_the_papers_prior_bit_for_bit(on: str | None) -> None:
    mean, std, sample, log_masks = posteriors(torch.float32)
    module = LDS(LDSConfig(lds_on=on), D)
    expected = lds_prior(mean if on == "mean" else sample)
    torch.testing.assert_close(module(mean, std, sample, log_masks), expected, rtol=0, atol=0)
    assert not module.state_dict()


def test_prior_is_float32_under_bf16_autocast() -> None:
    latents = torch.randn(2, 7, 16)
    with torch.autocast("cpu", torch.bfloat16):
        value, of_narrow = lds_prior(latents), lds_prior(latents.bfloat16())
    torch.testing.assert_close(value, lds_prior(latents), rtol=0, atol=0)
    assert of_narrow.dtype == torch.float32


# Every combination of settings


@EVERY_SETTING
def test_order_of_slots_does_not_matter(settings: dict[str, str]) -> None:
    module, order = LDS(LDSConfig(**settings), D).double(), torch.tensor([2, 0, 3, 1])
    mean, std, sample, log_masks = posteriors()
    shuffled = module(mean[:, order], std[:, order], sample[:, order], log_masks[:, :, order])
    torch.testing.assert_close(shuffled, module(mean, std, sample, log_masks))


@EVERY_SETTING
def test_gradients_are_those_of_finite_differences(settings: dict[str, str]) -> None:
    module = LDS(LDSConfig(**settings), D).double()
    *latents, log_masks = (t[:1] for t in posteriors())
    inputs = [t.clone().requires_grad_() for t in latents]
    assert torch.autograd.gradcheck(lambda *t: module(*t, log_masks), inputs, atol=1e-4)


@EVERY_SETTING
@pytest.mark.parametrize("size", [0.0, 1.0, 1e20])
@pytest.mark.parametrize("alike", [True, False])
def test_values_and_gradients_are_finite_at_the_limits(settings: dict[str, str], size: float, alike: bool) -> None:
    module = LDS(LDSConfig(**settings), D)
    *latents, log_masks = posteriors(torch.float32)
    inputs = [(t[:, :1].repeat(1, K, 1) if alike else t).mul(size).requires_grad_() for t in latents]
    value = module(*inputs, log_masks)
    value.sum().backward()
    assert torch.isfinite(value).all()
    gradients = [t.grad for t in (*inputs, *module.parameters()) if t.grad is not None]
    assert gradients and all(torch.isfinite(gradient).all() for gradient in gradients)


@EVERY_SETTING
def test_precision_is_float32_under_bf16_autocast_and_float64_where_given(settings: dict[str, str]) -> None:
    module = LDS(LDSConfig(**settings), D)
    inputs = posteriors(torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        value = module(*inputs)
    torch.testing.assert_close(value, module(*inputs), rtol=0, atol=0)
    expected = module(*(t.double() for t in inputs))
    assert value.dtype == torch.float32 and expected.dtype == torch.float64
    torch.testing.assert_close(value.double(), expected, rtol=1e-4, atol=1e-4)


@EVERY_SETTING
def test_each_setting_trains_a_monet(settings: dict[str, str]) -> None:
    torch.manual_seed(0)
    model = build_model(TINY_MONET | settings)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    terms = model.loss(torch.rand(2, 1, 3, 16, 16))
    expected = terms.nll + 0.5 * terms.kl_latent + 0.5 * terms.kl_mask - 0.5 * terms.lds
    torch.testing.assert_close(terms.total, expected)
    terms.total.backward()
    torch.optim.Adam(model.parameters(), 1e-3).step()
    after = model.state_dict()
    assert all(torch.isfinite(value).all() for value in after.values())
    learned = [name for name in after if name.startswith("lds.")]
    assert learned == (["lds.kernel.logits"] if settings["lds_kernel"] == "mahalanobis" else [])
    assert all((after[name] != before[name]).any() for name in learned)


# One setting at a time


@pytest.mark.parametrize(("on", "used"), [(None, 0), ("mean", 0), ("sample", 2)])
def test_rbf_compares_means_unless_told(on: str | None, used: int) -> None:
    inputs = posteriors()
    module = LDS(LDSConfig(lds_kernel="rbf", lds_length_scale=0.8, lds_std=0.2, lds_on=on), D)
    for scene, value in zip(inputs[used].numpy(), module(*inputs), strict=True):
        similarity = rbf_kernel(scene, gamma=1 / (2 * D * 0.8**2))[~np.eye(K, dtype=bool)]
        assert value.item() == pytest.approx(norm.logpdf(similarity, 0, 0.2).sum(), rel=1e-10)


@pytest.mark.parametrize("kernel", KERNELS)
def test_squared_penalty_is_eq_3_without_its_variance_and_constant(kernel: str) -> None:
    sigma, inputs = 0.3, posteriors()
    gaussian = LDS(LDSConfig(lds_kernel=kernel, lds_std=sigma), D)(*inputs)
    squared = LDS(LDSConfig(lds_kernel=kernel, lds_penalty="squared"), D)(*inputs)
    torch.testing.assert_close(gaussian, squared / (2 * sigma**2) + K * (K - 1) * norm.logpdf(0, 0, sigma))


def test_squared_penalty_is_the_mean_over_unordered_pairs_times_their_number_and_two() -> None:
    mean, std, sample, log_masks = posteriors()
    first, second = torch.triu_indices(K, K, offset=1)
    mean_of_squares = torch.cosine_similarity(sample[:, first], sample[:, second], dim=-1).square().mean(1)
    value = LDS(LDSConfig(lds_penalty="squared"), D)(mean, std, sample, log_masks)
    torch.testing.assert_close(value, -K * (K - 1) * mean_of_squares)


@pytest.mark.parametrize("size", [16, 64, 128])
def test_visibility_depends_on_the_share_of_pixels_and_not_on_their_number(size: int) -> None:
    shares = [0.5, 0.25, 0.125, 0.125, 0.0]
    got = visibility(masks_with_shares(shares, size), 0.125)[0]
    torch.testing.assert_close(got, torch.tensor([16 / 17, 0.8, 0.5, 0.5, 0.0], dtype=torch.float64))


def test_visibility_is_of_soft_masks_over_all_views() -> None:
    log_masks = posteriors()[3]
    share = log_masks.exp().mean((1, 3, 4, 5))
    torch.testing.assert_close(visibility(log_masks, 0.2), 1 / (1 + (0.2 / share) ** 2))
    assert visibility(log_masks.bfloat16(), 0.2).dtype == torch.float32


def test_slots_are_half_visible_where_the_metrics_begin_to_count_them() -> None:
    assert LDSConfig().lds_visible_share * 64 * 64 == min_pixels(64, 64)


def test_pairs_with_an_invisible_slot_have_no_weight() -> None:
    shares = [0.5, 0.25, 0.25, 0.0]
    log_masks = masks_with_shares(shares, SIZE)
    mean = torch.randn(1, K, D, dtype=torch.float64, requires_grad=True)
    module = LDS(LDSConfig(lds_on="mean", lds_pairs="visible", lds_visible_share=1e-6), D)
    value = module(mean, torch.ones_like(mean), mean, log_masks)
    value.backward()
    torch.testing.assert_close(value, lds_prior(mean[:, :3]))
    assert (mean.grad[0, 3] == 0).all() and (mean.grad[0, :3] != 0).all()


def test_pairs_weigh_as_the_product_of_their_slots_visibility() -> None:
    mean, std, sample, log_masks = posteriors()
    visible = visibility(log_masks, 0.25)
    similarity = cosine_similarity_matrix(sample)
    value = LDS(LDSConfig(lds_pairs="visible", lds_visible_share=0.25, lds_std=0.2), D)(mean, std, sample, log_masks)
    for b in range(B):
        expected = sum(
            (visible[b, h] * visible[b, j]).item() * norm.logpdf(similarity[b, h, j].item(), 0, 0.2)
            for h, j in itertools.permutations(range(K), 2)
        )
        assert value[b].item() == pytest.approx(expected, rel=1e-10)


def test_hiding_slots_is_not_rewarded() -> None:
    *latents, log_masks = posteriors()
    log_masks = log_masks.requires_grad_()
    value = LDS(LDSConfig(lds_pairs="visible"), D)(*(t.requires_grad_() for t in latents), log_masks)
    value.sum().backward()
    assert log_masks.grad is None and latents[2].grad.abs().sum() > 0


# Settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lds_kernel": "laplace"}, "lds_kernel must be cosine or rbf or wasserstein or mahalanobis, got 'laplace'"),
        ({"lds_penalty": "abs"}, "lds_penalty must be gaussian or squared, got 'abs'"),
        ({"lds_pairs": "some"}, "lds_pairs must be all or visible, got 'some'"),
        ({"lds_on": "noise"}, "lds_on must be sample or mean with lds_kernel=cosine, got 'noise'"),
        ({"lds_on": "posterior", "lds_kernel": "rbf"}, "must be mean or sample with lds_kernel=rbf, got 'posterior'"),
        ({"lds_on": "mean", "lds_kernel": "wasserstein"}, "must be posterior with lds_kernel=wasserstein, got 'mean'"),
        ({"lds_weight": -0.5}, "lds_weight must be 0 or more, got -0.5"),
        ({"lds_weight": math.nan}, "lds_weight must be (0 or more|a finite number), got nan"),
        ({"lds_std": 0.0}, "lds_std must be above 0, got 0.0"),
        ({"lds_std": math.inf}, "lds_std must be (above 0|a finite number), got inf"),
        ({"lds_length_scale": -1.0}, "lds_length_scale must be above 0, got -1.0"),
        ({"lds_visible_share": 30.0}, "lds_visible_share must be between 0 and 1, got 30.0"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LDS(LDSConfig(**settings), D)
    with pytest.raises(ConfigError, match=message):
        build_model(TINY_MONET | settings)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_takes_the_settings(name: str) -> None:
    settings = {"name": name, "latent_dim": 5, "lds_kernel": "rbf", "lds_length_scale": 0.3, "lds_pairs": "visible"}
    lds = next(module for module in build_model(settings).modules() if isinstance(module, LDS))
    assert isinstance(lds.kernel, RBF) and (lds.kernel.latent_dim, lds.kernel.length_scale) == (5, 0.3)
    assert lds.config.lds_pairs == "visible"


def test_settings_come_from_the_command_line() -> None:
    overrides = ["data.path=unused", "model.lds_kernel=wasserstein", "model.lds_penalty=squared", "model.lds_on=null"]
    lds = build_model(load_experiment("table_monet_lds", overrides).model).lds
    assert isinstance(lds.kernel, Wasserstein) and lds.on == "posterior" and lds.config.lds_penalty == "squared"


# Weights on disk


def test_weights_from_before_these_settings_load_as_the_papers_prior() -> None:
    lds = load_weights("monet_lds_table").model.lds
    assert (lds.config.lds_kernel, lds.config.lds_penalty, lds.config.lds_pairs) == ("cosine", "gaussian", "all")
    assert lds.on == "sample"


def test_learned_kernel_is_kept_with_the_weights(tmp_path: Any) -> None:
    model = build_model(TINY_MONET | {"lds_kernel": "mahalanobis"})
    model.lds.kernel.logits.data.normal_()
    save_weights(tmp_path / "learned.safetensors", model, {})
    loaded = load_weights(tmp_path / "learned.safetensors").model.lds.kernel
    torch.testing.assert_close(loaded.weights, model.lds.kernel.weights, rtol=0, atol=0)
