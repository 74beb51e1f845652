"""Iterative amortised inference after Greff et al. 2019 (see `IODINE`), the derivatives by autograd."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Normal

from lds_models.iterative import Refiner
from lds_models.lds_prior import LDSConfig
from lds_models.reference.layers import PlainBroadcastDecoder, plain_layers
from lds_models.reference.textbook import (
    latent_kl,
    layer_norm,
    lds_log_prior,
    log_without_each,
    mixture_log_likelihood,
    pixel_log_densities,
)

Derivatives = Callable[[Tensor, list[Tensor]], list[Tensor]]
LEAST_LOG = math.log(1e-6)  # of 1 - p, where p is a mask or a responsibility


def derivatives_in_one_call(loss: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    """As IODINE's public implementations do: with a graph of their own, which is then dropped."""
    return [gradient.detach() for gradient in torch.autograd.grad(loss, inputs, create_graph=True)]


def derivatives_one_by_one(loss: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    """As MulMON's public implementation does: the whole way back for each input."""
    return [torch.autograd.grad(loss, x, retain_graph=True)[0] for x in inputs]


@dataclass(frozen=True)
class Evaluation:
    """The terms of the objective L_t, [B] each in nats."""

    nll: Tensor
    kl: Tensor
    lds: Tensor

    def objective(self, kl_weight: float, lds_weight: float) -> Tensor:
        return (self.nll + kl_weight * self.kl - lds_weight * self.lds).mean()


@dataclass(frozen=True)
class Decoded:
    """What K slots say of an image: RGB means [B,K,3,H,W]; mask logits, log masks, log densities [B,K,1,H,W]."""

    means: Tensor
    logits: Tensor
    log_masks: Tensor
    log_densities: Tensor

    @property
    def log_likelihood(self) -> Tensor:
        return mixture_log_likelihood(self.log_masks, self.log_densities)


def posterior_of(parameters: Tensor) -> Normal:
    """Parameters [B,K,2D], means and log variances, as Gaussians over [B,K,D]."""
    mean, logvar = parameters.chunk(2, dim=-1)
    return Normal(mean, (0.5 * logvar).exp())


def spatial_inputs(image: Tensor, decoded: Decoded, by_means: Tensor, by_logits: Tensor) -> Tensor:
    """What the refinement network sees of each slot, [B,K,17,H,W]: after IODINE, appendix B.2; see `IODINE`."""
    log_likelihood = decoded.log_likelihood
    log_joint = decoded.log_masks + decoded.log_densities
    log_others = (log_without_each(log_joint) - log_likelihood).clamp(min=LEAST_LOG)
    log_other_masks = log_without_each(decoded.log_masks).clamp(min=LEAST_LOG)
    lines = (torch.linspace(-1, 1, pixels, dtype=image.dtype, device=image.device) for pixels in image.shape[-2:])
    rows, columns = torch.meshgrid(*lines, indexing="ij")
    inputs = [
        image.unsqueeze(1),
        decoded.means,
        decoded.log_masks.exp(),
        decoded.logits,
        torch.softmax(log_joint, dim=1),
        layer_norm(by_means),
        layer_norm(by_logits),
        layer_norm(log_likelihood),
        layer_norm(log_likelihood + log_others - log_other_masks),
        torch.stack([columns, rows])[None, None],
    ]
    shape = decoded.logits.shape
    return torch.cat([x.expand(*shape[:2], -1, *shape[3:]) for x in inputs], dim=2)


class PlainRefiner(nn.Module):
    """Evaluates the objective T times and refines the posterior in between (IODINE, algorithm 1)."""

    def __init__(self, fast: Refiner, lds: LDSConfig, derivatives: Derivatives) -> None:
        super().__init__()
        self.decoder, self.network = PlainBroadcastDecoder(fast.decoder), fast.network
        self.iterations, self.pixel_std, self.kl_weight = fast.iterations, fast.pixel_std, fast.kl_weight
        self.lds, self.derivatives = lds, derivatives
        plain_layers(self.network)

    def decode(self, image: Tensor, latents: Tensor) -> Decoded:
        """The slots of latents [B,K,D], and how well they explain the image [B,3,H,W]."""
        means, logits = self.decoder(latents.flatten(0, 1)).unflatten(0, latents.shape[:2]).split([3, 1], dim=2)
        return Decoded(means, logits, logits.log_softmax(1), pixel_log_densities(image, means, self.pixel_std))

    def forward(
        self,
        image: Tensor,
        parameters: Tensor,
        prior: Normal,
        noise_like: Callable[[Tensor], Tensor],
        project: Callable[[Tensor], Tensor] = lambda latents: latents,
    ) -> tuple[Tensor, list[Evaluation]]:
        """From the posterior's first parameters [B,K,2D] to its last ones, and all evaluations."""
        evaluations: list[Evaluation] = []
        state = None
        while True:
            posterior = posterior_of(parameters)
            sample = posterior.mean + posterior.stddev * noise_like(posterior.mean)
            decoded = self.decode(image, project(sample))
            nll, kl = -decoded.log_likelihood.sum((1, 2, 3, 4)), latent_kl(posterior, prior)
            lds = lds_log_prior(self.lds, posterior, sample)
            evaluations.append(Evaluation(nll, kl, lds))
            if len(evaluations) == self.iterations:
                return parameters, evaluations
            # Without LDS: refinement serves the explanation of the image, at test time as in training.
            loss = (nll + self.kl_weight * kl).sum()
            by_means, by_logits, by_parameters = self.derivatives(loss, [decoded.means, decoded.logits, parameters])
            features = self.network.encoder(spatial_inputs(image, decoded, by_means, by_logits).flatten(0, 1))
            flat = torch.cat([parameters, layer_norm(by_parameters)], dim=2).flatten(0, 1)
            state = self.network.lstm(torch.cat([features, flat], dim=1), state)
            parameters = parameters + self.network.head(state[0]).view_as(parameters)
