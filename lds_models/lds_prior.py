"""Latent duplicate suppression (LDS): the differentiable prior of Li & Fisher, BMVC 2021, section 3.2, and variants.

The defaults are the paper's; docs/lds.md says what the other settings are for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lds_models.lds_kernels import KERNELS, cosine_similarity_matrix
from lds_models.precision import wide


def lds_prior(latents: Tensor, std: float = 0.1) -> Tensor:
    """The LDS log prior of each scene, [B] in nats: sum over ordered pairs h != j of log N(S_hj; 0, std^2) (eq. 3).

    Args:
        latents: [B,K,D].
        std: the paper's sigma, how much similarity counts as none.
    """
    similarity = cosine_similarity_matrix(latents)
    return log_normal(similarity, ordered_pairs(similarity), std)


def ordered_pairs(similarity: Tensor) -> Tensor:
    """The weight 1 for each pair h != j and 0 for h = j, [1,K,K], for similarities [B,K,K]."""
    # The diagonal of S is 1 only up to rounding, and a zero latent's is 0: it is taken out, not subtracted.
    return (1 - torch.eye(similarity.shape[-1], dtype=similarity.dtype, device=similarity.device)).unsqueeze(0)


def weighted_squares(similarity: Tensor, weights: Tensor) -> Tensor:
    """sum_hj w_hj S_hj^2, [B], of S [B,K,K] and w [B or 1,K,K]."""
    return (weights * similarity.square()).sum((1, 2))


def log_normal(similarity: Tensor, weights: Tensor, std: float) -> Tensor:
    """sum_hj w_hj log N(S_hj; 0, std^2), [B] in nats, of S [B,K,K] and w [B or 1,K,K]."""
    peak = math.log(std) + 0.5 * math.log(2 * math.pi)
    return -weighted_squares(similarity, weights) / (2 * std**2) - weights.sum((1, 2)) * peak


@torch.no_grad()
def visibility(log_masks: Tensor, share: float) -> Tensor:
    """How visible each slot is, [B,K] from 0 to 1, by its expected share s of the pixels of all views.

    It is s^2 / (s^2 + share^2): 0 for a slot with no pixel, 1/2 at `share`, over 0.99 from 10 `share` on. A share of
    pixels means the same at every image size. There is no gradient, or a model could please LDS by hiding slots.

    Args:
        log_masks: [B,V,K,1,H,W], log mixing probabilities.
    """
    squared = wide(log_masks).exp().mean((1, 3, 4, 5)).square()
    return squared / (squared + share**2)


@dataclass
class LDSConfig:
    """The settings of LDS that every model's config has. The defaults are the paper's, without LDS."""

    lds_weight: float = 0.0  # lambda of eq. 4; 0 is the model without LDS
    lds_std: float = 0.1  # sigma of eq. 3 (gaussian penalty)
    lds_penalty: str = "gaussian"  # gaussian (eq. 3), squared (a control: -S^2 alone)
    lds_kernel: str = "cosine"  # cosine (the paper's), rbf, wasserstein, mahalanobis (learned)
    lds_length_scale: float = 0.5  # of every kernel but cosine: a difference per dimension, in prior std
    lds_on: str | None = None  # sample, mean; default: sample for cosine, mean for rbf and mahalanobis
    lds_pairs: str = "all"  # all, visible (each pair weighted by both slots' visibility)
    lds_visible_share: float = 30 / 64**2  # share of pixels that makes a slot half visible; as metrics.duplicates'


class LDS(nn.Module):
    """The LDS log prior of a model's posteriors, as its config says.

    Attributes:
        on: what of the posteriors is compared: sample, mean, posterior.

    Raises:
        ValueError: a setting does not do.
    """

    def __init__(self, config: LDSConfig, latent_dim: int) -> None:
        super().__init__()
        _check(config)
        self.config = config
        self.kernel = KERNELS[config.lds_kernel](latent_dim, config.lds_length_scale)
        self.on = config.lds_on or self.kernel.compares[0]

    def forward(self, mean: Tensor, std: Tensor, sample: Tensor, log_masks: Tensor) -> Tensor:
        """The log prior [B], nats, of posterior mean, std and one sample [B,K,D], and log masks [B,V,K,1,H,W]."""
        config = self.config
        similarity = self.kernel(sample if self.on == "sample" else mean, std)
        weights = ordered_pairs(similarity)
        if config.lds_pairs == "visible":
            visible = visibility(log_masks, config.lds_visible_share)
            weights = weights * visible.unsqueeze(2) * visible.unsqueeze(1)
        if config.lds_penalty == "squared":
            return -weighted_squares(similarity, weights)
        return log_normal(similarity, weights, config.lds_std)


def _check(config: LDSConfig) -> None:
    choices = {"lds_penalty": ("gaussian", "squared"), "lds_kernel": tuple(KERNELS), "lds_pairs": ("all", "visible")}
    for name, allowed in choices.items():
        if (value := getattr(config, name)) not in allowed:
            raise ValueError(f"{name} must be {' or '.join(allowed)}, got '{value}'")
    compares = KERNELS[config.lds_kernel].compares
    if config.lds_on not in (None, *compares):
        with_kernel = f"with lds_kernel={config.lds_kernel}"
        raise ValueError(f"lds_on must be {' or '.join(compares)} {with_kernel}, got '{config.lds_on}'")
    if not 0 <= config.lds_weight < math.inf:
        raise ValueError(f"lds_weight must be 0 or more, got {config.lds_weight}")
    for name in ("lds_std", "lds_length_scale"):
        if not 0 < (value := getattr(config, name)) < math.inf:
            raise ValueError(f"{name} must be above 0, got {value}")
    if not 0 < config.lds_visible_share < 1:
        raise ValueError(f"lds_visible_share must be between 0 and 1, got {config.lds_visible_share}")
