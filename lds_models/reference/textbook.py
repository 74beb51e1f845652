"""Likelihoods and divergences by torch.distributions, as the papers define them."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Categorical, Normal, kl_divergence

from lds_models.lds_prior import LDSConfig


def pixel_log_densities(image: Tensor, means: Tensor, std: float | Tensor) -> Tensor:
    """log N(x; mean_k, std^2) of each pixel's RGB, [B,K,1,H,W]: images [B,3,H,W], means [B,K,3,H,W], std one or [K]."""
    std = std.view(-1, 1, 1, 1) if isinstance(std, Tensor) else std
    return Normal(means, std, validate_args=False).log_prob(image.unsqueeze(1)).sum(2, keepdim=True)


def mixture_log_likelihood(log_masks: Tensor, log_densities: Tensor) -> Tensor:
    """log p(x) of each pixel, [B,1,1,H,W]: the mixture over K slots of log masks and log densities [B,K,1,H,W]."""
    return torch.logsumexp(log_masks + log_densities, dim=1, keepdim=True)


def latent_kl(posterior: Normal, prior: Normal) -> Tensor:
    """KL(posterior || prior) of latents [B,K,D], [B]."""
    return kl_divergence(posterior, prior).sum((1, 2))


def mask_kl(log_masks: Tensor, log_prior_masks: Tensor) -> Tensor:
    """KL of each pixel's categorical over slots, summed over pixels: [B,K,1,H,W] twice -> [B]."""
    masks, prior = (Categorical(logits=log_p.movedim(1, -1)) for log_p in (log_masks, log_prior_masks))
    return kl_divergence(masks, prior).sum((1, 2, 3))


def lds_log_prior(config: LDSConfig, posterior: Normal, sample: Tensor) -> Tensor:
    """LDS (Li & Fisher 2021, eq. 3) of posteriors and samples [B,K,D], [B]: log N(S; 0, std^2) of all ordered pairs.

    Raises:
        ValueError: the settings ask for another LDS than the paper's.
    """
    if (config.lds_kernel, config.lds_penalty, config.lds_pairs) != ("cosine", "gaussian", "all"):
        raise ValueError("the plain formulation has the paper's LDS only: set no lds_kernel, lds_penalty or lds_pairs")
    latents = posterior.mean if config.lds_on == "mean" else sample
    similarity = F.cosine_similarity(latents.unsqueeze(1), latents.unsqueeze(2), dim=-1)
    log_densities = Normal(torch.zeros_like(similarity), config.lds_std).log_prob(similarity)
    return log_densities.sum((1, 2)) - log_densities.diagonal(dim1=1, dim2=2).sum(1)


def plain_log_weights(draw: Callable[[], Tensor]) -> Callable[[int], Tensor]:
    """What `SceneModel.log_weights` returns, of what draws one sample of each scene and gives its weight [B]."""
    return lambda samples: torch.stack([draw() for _ in range(samples)], dim=1)


def log_without_each(log_terms: Tensor) -> Tensor:
    """log of the sum over all slots but one, for each of K log terms [B,K,1,H,W]."""
    slots = range(log_terms.shape[1])
    return torch.stack([log_terms[:, [j for j in slots if j != k]].logsumexp(1) for k in slots], dim=1)


def layer_norm(x: Tensor, eps: float = 1e-5) -> Tensor:
    """Each slot's entries [B,K,...] minus their mean, over their standard deviation. No gradient flows back."""
    entries = x.detach().flatten(2)
    centred = entries - entries.mean(2, keepdim=True)
    return (centred / (centred.square().mean(2, keepdim=True) + eps).sqrt()).view_as(x)
