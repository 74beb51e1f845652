"""Iterative amortised inference: the loop that IODINE and MulMON share (Greff et al. 2019, algorithm 1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lds_models.decoder import BroadcastDecoder, PullBack
from lds_models.lds_prior import LDS
from lds_models.model import Rendering
from lds_models.precision import wide
from lds_models.refinement import RefinementNetwork, explain_pixels, layer_norm

Project = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Posterior:
    """K diagonal Gaussians over latents: mean and logvar [B,K,D]."""

    mean: Tensor
    logvar: Tensor

    @classmethod
    def of_all_slots(cls, parameters: Tensor, batch: int, slots: int) -> Posterior:
        """The same Gaussian for every slot, of parameters [2D]."""
        return cls(*parameters.expand(batch, slots, -1).chunk(2, dim=-1))

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
        decoder: latents [N,D] to [N,4,H,W], RGB means and mask logits.
        kl_weight: of the KL in the objective.
    """

    def __init__(
        self,
        decoder: BroadcastDecoder,
        network: RefinementNetwork,
        lds: LDS,
        iterations: int,
        pixel_std: float,
        kl_weight: float,
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
        project: Project = lambda latents: latents,
    ) -> tuple[Posterior, list[Iteration]]:
        """The posterior of the last evaluation, and all evaluations.

        Args:
            image: [B,3,H,W].
            noise_like: draws standard normal noise.
            project: from latents [B,K,D] to what the decoder takes, for example as seen from a viewpoint.
        """
        posterior, state, history = start, None, []
        while True:
            noise = noise_like(posterior.mean)
            sample = posterior.mean + posterior.std * noise
            decoded, pull_back = self._decode_traced(sample, project)
            pixels = explain_pixels(image, decoded, self.pixel_std)
            lds = self.lds(posterior.mean, posterior.std, sample, pixels.log_masks.unsqueeze(1))
            history.append(Iteration(pixels.nll, gaussian_kl_between(posterior, prior), lds))
            if len(history) == self.iterations:
                return posterior, history
            gradient = self._gradient(posterior, prior, noise, pull_back(pixels.gradient))
            flat = torch.cat([posterior.mean, posterior.logvar, layer_norm(gradient)], -1)
            change, state = self.network(pixels.refinement_inputs().flatten(0, 1), flat.flatten(0, 1), state)
            posterior = posterior.updated(change.unflatten(0, sample.shape[:2]))

    def objective(self, step: Iteration, lds_scale: float) -> Tensor:
        """What training minimises of an iteration, on average over the batch."""
        objective, lds_weight = step.nll + self.kl_weight * step.kl, self.lds.config.lds_weight
        if lds_weight:
            objective = objective - lds_scale * lds_weight * step.lds
        return objective.mean()

    def _decode_traced(self, sample: Tensor, project: Project) -> tuple[Tensor, PullBack]:
        """The same of a sample as projected, and what takes the gradient by it to the gradient by the sample."""
        leaf = sample if sample.requires_grad else sample.detach().requires_grad_()
        with torch.enable_grad():
            projected = project(leaf)
        drawn, by_drawn = self.decoder.traced(projected.flatten(0, 1))

        def pull_back(gradient: Tensor) -> Tensor:
            by_projected = by_drawn(gradient.flatten(0, 1)).view_as(projected)
            return torch.autograd.grad(projected, leaf, by_projected, retain_graph=True)[0]

        return drawn.unflatten(0, sample.shape[:2]), pull_back

    @torch.no_grad()
    def _gradient(self, posterior: Posterior, prior: Posterior, noise: Tensor, by_sample: Tensor) -> Tensor:
        """The derivative of nll + kl_weight * KL by the posterior's mean and logvar, [B,K,2D]."""
        by_mean, by_logvar = gaussian_kl_gradient(posterior, prior)
        return torch.cat(
            [
                by_sample + self.kl_weight * by_mean,
                0.5 * by_sample * noise * posterior.std + self.kl_weight * by_logvar,
            ],
            dim=-1,
        )


def render_slots(decoded: Tensor) -> Rendering:
    """Decoded RGB means and mask logits [B,V,K,4,H,W] as a picture; colours are clamped to [0,1]."""
    log_masks, appearances = decoded[:, :, :, 3:].log_softmax(2), decoded[:, :, :, :3].clamp(0, 1)
    return Rendering.of_slots(log_masks, appearances)
