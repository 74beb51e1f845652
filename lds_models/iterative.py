"""Iterative amortised inference: the loop that IODINE and MulMON share (Greff et al. 2019, algorithm 1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lds_models.lds_prior import LDS
from lds_models.precision import wide
from lds_models.refinement import RefinementNetwork, explain_pixels, layer_norm


@dataclass(frozen=True)
class Posterior:
    """K diagonal Gaussians over latents: mean and logvar [B,K,D]."""

    mean: Tensor
    logvar: Tensor

    @property
    def std(self) -> Tensor:
        return (0.5 * self.logvar).exp()

    def updated(self, change: Tensor) -> Posterior:
        """The posterior whose parameters differ by `change` [B,K,2D]."""
        mean, logvar = change.chunk(2, dim=-1)
        return Posterior(self.mean + mean, self.logvar + logvar)


def gaussian_kl_between(q: Posterior, p: Posterior) -> Tensor:
    """KL(q || p) summed over slots and dimensions, [B] in nats."""
    variances = (q.logvar - p.logvar).exp() + (q.mean - p.mean).square() * (-p.logvar).exp()
    return 0.5 * (variances - 1 - q.logvar + p.logvar).sum((1, 2))


def gaussian_kl_gradient(q: Posterior, p: Posterior) -> tuple[Tensor, Tensor]:
    """The derivatives of KL(q || p) by q's mean and logvar, [B,K,D] each."""
    return (q.mean - p.mean) * (-p.logvar).exp(), 0.5 * ((q.logvar - p.logvar).exp() - 1)


@dataclass(frozen=True)
class Iteration:
    """One evaluation of the objective, [B] each in nats: minus log-likelihood, KL to the prior, log LDS prior."""

    nll: Tensor
    kl: Tensor
    lds: Tensor


class Refiner(nn.Module):
    """Infers the latents of an image by evaluating its objective T times and refining the posterior in between.

    Args:
        decoder: [N,D] -> [N,4,H,W], RGB means and mask logits.
        kl_weight: of the KL in the objective whose gradient the network sees.
    """

    def __init__(
        self, decoder: nn.Module, network: RefinementNetwork, lds: LDS, iterations: int, pixel_std: float, kl_weight: float
    ) -> None:
        super().__init__()
        self.decoder, self.network, self.lds = decoder, network, lds
        self.iterations, self.pixel_std, self.kl_weight = iterations, pixel_std, kl_weight

    def decode(self, latents: Tensor) -> Tensor:
        """RGB means and mask logits [B,K,4,H,W] of latents [B,K,D]."""
        return wide(self.decoder(latents.flatten(0, 1))).unflatten(0, latents.shape[:2])

    def forward(
        self,
        image: Tensor,
        start: Posterior,
        prior: Posterior,
        noise_like: Callable[[Tensor], Tensor],
        project: Callable[[Tensor], Tensor] = lambda latents: latents,
    ) -> tuple[Posterior, list[Iteration]]:
        """The posterior of the last evaluation, and all evaluations.

        Args:
            image: [B,3,H,W].
            noise_like: draws standard normal noise.
            project: from latents [B,K,D] to what the decoder takes, for example as seen from a viewpoint.
        """
        posterior, state, history = start, None, []
        for last in [False] * (self.iterations - 1) + [True]:
            noise = noise_like(posterior.mean)
            sample = posterior.mean + posterior.std * noise
            training = torch.is_grad_enabled()
            with torch.enable_grad():
                leaf = sample if training else sample.detach().requires_grad_()
                decoded = self.decode(project(leaf))
            pixels = explain_pixels(image, decoded if training else decoded.detach(), self.pixel_std)
            kl = gaussian_kl_between(posterior, prior)
            lds = self.lds(posterior.mean, posterior.std, sample, decoded.detach()[:, None, :, 3:].log_softmax(2))
            history.append(Iteration(pixels.nll, kl, lds))
            if last:
                break
            (slope,) = torch.autograd.grad(decoded, leaf, pixels.gradient, retain_graph=training)
            with torch.no_grad():
                by_mean, by_logvar = gaussian_kl_gradient(posterior, prior)
                gradient = torch.cat(
                    [slope + self.kl_weight * by_mean, 0.5 * slope * noise * posterior.std + self.kl_weight * by_logvar], -1
                )
            flat = torch.cat([posterior.mean, posterior.logvar, layer_norm(gradient)], -1)
            change, state = self.network(pixels.inputs.flatten(0, 1), flat.flatten(0, 1), state)
            posterior = posterior.updated(change.unflatten(0, sample.shape[:2]))
        return posterior, history
