"""The spatial Gaussian mixture likelihood shared by all component VAEs (LDS paper eq. 1)."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def mixture_log_likelihood(images: Tensor, appearances: Tensor, log_masks: Tensor, std: float | Tensor) -> Tensor:
    """log p(x | z) of each scene, [B] in nats: sum over views and pixels of log sum_k m_k N(x; appearance_k, std^2).

    Args:
        images: [B,V,3,H,W] in [0,1].
        appearances: [B,V,K,3,H,W].
        log_masks: [B,V,K,1,H,W], log mixing probabilities.
        std: pixel noise, one for all slots or a tensor [K].
    """
    return torch.logsumexp(log_joint(images.unsqueeze(2) - appearances, log_masks, std), dim=2).sum((1, 2, 3, 4))


def log_responsibilities(images: Tensor, appearances: Tensor, log_masks: Tensor, std: float | Tensor) -> Tensor:
    """log p(k | x, z), which slot a pixel of this colour comes from: [B,V,K,1,H,W], the posterior of the mixture.

    Arguments as for `mixture_log_likelihood`.
    """
    return log_joint(images.unsqueeze(2) - appearances, log_masks, std).log_softmax(2)


def log_joint(error: Tensor, log_masks: Tensor, std: float | Tensor) -> Tensor:
    """log m_k N(x; appearance_k, std^2) of each pixel and slot, [...,K,1,H,W] in nats.

    Args:
        error: [...,K,3,H,W], the difference between image and appearances.
        log_masks: [...,K,1,H,W].
        std: as for `mixture_log_likelihood`.
    """
    log_std: float | Tensor
    if isinstance(std, Tensor):
        std = std.view(-1, 1, 1, 1)
        log_std = std.log()
    else:
        log_std = math.log(std)
    square = (error / std).square().sum(-3, keepdim=True)
    return log_masks - 0.5 * square - 3 * (log_std + 0.5 * math.log(2 * math.pi))


def gaussian_kl(mean: Tensor, std: Tensor) -> Tensor:
    """KL(N(mean, std^2) || N(0, 1)) summed over slots and latent dimensions: [B,K,D] -> [B], nats."""
    return 0.5 * (mean.square() + std.square() - 1 - 2 * std.log()).sum((1, 2))


def sampled_kl(noise: Tensor, std: Tensor, sample: Tensor, prior_mean: Tensor, prior_std: Tensor) -> Tensor:
    """log q(z) - log p(z) of each scene's sample z = mean + std * noise: [B,K,D] -> [B], nats.

    An unbiased estimate of KL(q || p), q = N(mean, std^2), p = N(prior_mean, prior_std^2).
    """
    log_q = -0.5 * noise.square() - std.log()
    log_p = -0.5 * ((sample - prior_mean) / prior_std).square() - prior_std.log()
    return (log_q - log_p).sum((1, 2))


def categorical_kl(log_q: Tensor, log_p: Tensor) -> Tensor:
    """KL(q || p) of per-pixel categoricals over slots, summed over views and pixels: [B,V,K,1,H,W] -> [B], nats."""
    return (log_q.exp() * (log_q - log_p)).sum((1, 2, 3, 4, 5))
