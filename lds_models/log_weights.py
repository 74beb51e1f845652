"""Weights of posterior samples, log p(x, z) - log q(z | x): what the inference gap is estimated from (paper, eq. 6).

p is a model's generative model as such, every term with weight 1, whatever its training weighs. Sums are in float64.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lds_models.mixture import log_joint, sampled_kl

DrawLogWeights = Callable[[int], Tensor]


def sample_noise(noise_like: Callable[[Tensor], Tensor], tensor: Tensor, samples: int) -> Tensor:
    """Standard normal noise [B*S,...] for S samples of each row of a tensor [B,...], those of a row side by side.

    It is drawn one sample after another, so that samples are the same however many are drawn together.
    """
    return torch.stack([noise_like(tensor) for _ in range(samples)], dim=1).flatten(0, 1)


def gaussian_log_weights(
    noise_like: Callable[[Tensor], Tensor],
    posterior: tuple[Tensor, Tensor],
    prior: tuple[Tensor, Tensor],
    log_likelihood: Callable[[Tensor, int], Tensor],
) -> DrawLogWeights:
    """Of a posterior and a prior that are diagonal Gaussians: means and standard deviations [B,K,D].

    Args:
        noise_like: draws standard normal noise.
        log_likelihood: of latents [B*S,K,D] and S, float64 [B*S].
    """

    def draw(samples: int) -> Tensor:
        noise = sample_noise(noise_like, posterior[1], samples)
        mean, std, *of_prior = (x.repeat_interleave(samples, 0) for x in (*posterior, *prior))
        sample = mean + std * noise
        divergence = sampled_kl(*(x.double() for x in (noise, std, sample, *of_prior)))
        return (log_likelihood(sample, samples) - divergence).unflatten(0, (-1, samples))

    return draw


def samples_log_likelihood(
    images: Tensor, appearances: Tensor, log_masks: Tensor, std: float | Tensor, samples: int
) -> Tensor:
    """log p(x | z) of S samples z of each scene, float64 [B*S] in nats: the mixture of `mixture_log_likelihood`.

    Args:
        images: [B,V,3,H,W].
        appearances: [B*S,V,K,3,H,W].
        log_masks: [B*S,V,K,1,H,W].
    """
    error = images.repeat_interleave(samples, 0).unsqueeze(2) - appearances
    return log_joint(error, log_masks, std).logsumexp(2).sum((1, 2, 3, 4), dtype=torch.float64)
