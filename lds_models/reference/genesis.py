"""GENESIS as Engelcke et al. 2020 write it."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Normal

from lds_models.genesis import GENESIS, GENESISConfig
from lds_models.genesis_masks import MaskPosterior, MaskPrior
from lds_models.genesis_networks import MaskDecoder, MaskEncoder
from lds_models.genesis_norm import BatchNorm
from lds_models.model import LossTerms, SceneModel, SlotInference
from lds_models.reference.layers import PlainBroadcastDecoder, PlainComponentEncoder, plain_enlarge
from lds_models.reference.textbook import (
    lds_log_prior,
    mixture_log_likelihood,
    pixel_log_densities,
    plain_log_weights,
)


class PlainBatchNorm(nn.BatchNorm2d):
    """PyTorch's own."""

    def __init__(self, fast: BatchNorm) -> None:
        super().__init__(len(fast.weight), eps=fast.eps, momentum=fast.momentum)
        self.weight, self.bias = fast.weight, fast.bias
        self.running_mean, self.running_var = fast.running_mean, fast.running_variance


def plain_gated(fast: nn.Sequential) -> nn.Sequential:
    """Gated convolutions from PyTorch's own layers."""

    def plain_block(gated: nn.Module) -> nn.Sequential:
        convolution, norm = gated.children()
        assert isinstance(norm, BatchNorm)
        return nn.Sequential(convolution, PlainBatchNorm(norm), nn.GLU(dim=1))

    return nn.Sequential(*map(plain_block, fast))


class PlainMaskEncoder(nn.Module):
    """Images [B,3,H,W] -> features [B,F]."""

    def __init__(self, fast: MaskEncoder) -> None:
        super().__init__()
        self.patch, self.convolutions, self.head = fast.patch, plain_gated(fast.convolutions), fast.head

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.convolutions(F.pixel_unshuffle(image, self.patch)).movedim(1, -1).flatten(1))


class PlainMaskDecoder(nn.Module):
    """Mask latents [B,D] -> logits [B,1,H,W], at first by a transposed convolution of a single pixel."""

    def __init__(self, fast: MaskDecoder) -> None:
        super().__init__()
        self.patch, self.grid = fast.patch, fast.grid
        self.from_latent, self.bias = fast.from_latent, fast.bias
        self.convolutions, self.head = plain_gated(fast.convolutions), fast.head

    def forward(self, latents: Tensor) -> Tensor:
        kernel = self.from_latent.weight.t().unflatten(1, (self.grid, self.grid, -1)).movedim(-1, 1)
        x = F.glu(F.conv_transpose2d(latents[:, :, None, None], kernel, self.bias), dim=1)
        return plain_enlarge(self.head(self.convolutions(x)), self.patch)


class PlainGENESIS(SceneModel):
    """Takes the fast model's parameters and state over."""

    config: GENESISConfig
    beta: Tensor
    nll_average: Tensor

    def __init__(self, fast: GENESIS) -> None:
        super().__init__()
        self.config, self.num_slots, self.image_size = fast.config, fast.num_slots, fast.image_size
        self.mask_encoder, self.mask_decoder = PlainMaskEncoder(fast.mask_encoder), PlainMaskDecoder(fast.mask_decoder)
        self.mask_posterior: MaskPosterior = fast.mask_posterior
        self.mask_prior: MaskPrior = fast.mask_prior
        self.encoder, self.decoder = PlainComponentEncoder(fast.encoder), PlainBroadcastDecoder(fast.decoder)
        self.prior = fast.prior
        self.register_buffer("beta", fast.geco.weight.clone())
        self.register_buffer("nll_average", fast.geco.average.clone())
        self.nll_seen = bool(fast.geco.updates)

    def _mask_posteriors(self, image: Tensor, noise: Tensor) -> tuple[Normal, Tensor]:
        """q(z_k | x, z_<k) of all mask latents, and their samples [B,K,D]."""
        features, network = self.mask_encoder(image), self.mask_posterior
        means: list[Tensor] = []
        stds: list[Tensor] = []
        samples: list[Tensor] = []
        state = None
        for k in range(self.num_slots):
            if k == 0:
                out = network.first(features)
            else:
                state = network.cell(torch.cat([features, samples[-1]], dim=1), state)
                out = network.head(state[0])
            mean, raw = out.chunk(2, dim=1)
            means.append(mean)
            stds.append(F.softplus(raw + 0.5) + 1e-8)
            samples.append(means[-1] + stds[-1] * noise[:, k])
        return Normal(torch.stack(means, dim=1), torch.stack(stds, dim=1)), torch.stack(samples, dim=1)

    def _mask_priors(self, latents: Tensor) -> Normal:
        """p(z_k | z_<k) of all mask latents."""
        following = _learned_prior(self.mask_prior.head(self.mask_prior.lstm(latents[:, :-1])[0]))
        mean, std = F.pad(following.mean, [0, 0, 1, 0], value=0.0), F.pad(following.stddev, [0, 0, 1, 0], value=1.0)
        return Normal(mean, std)

    def _log_masks(self, latents: Tensor) -> Tensor:
        """Stick breaking: each slot takes its share of what is left, [B,K,1,H,W]."""
        logits = self.mask_decoder(latents[:, :-1].flatten(0, 1)).unflatten(0, (len(latents), -1))
        log_left, log_masks = torch.zeros_like(logits[:, 0]), []
        for logit in logits.unbind(1):
            log_masks.append(log_left + F.logsigmoid(logit))
            log_left = log_left + F.logsigmoid(-logit)
        return torch.stack([*log_masks, log_left], dim=1)

    def _appearances(self, latents: Tensor) -> Tensor:
        return torch.sigmoid(self.decoder(latents.flatten(0, 1))).unflatten(0, latents.shape[:2])

    def infer(self, images: Tensor, viewpoints: Tensor | None = None) -> SlotInference:
        image, evaluated = images[:, 0], deepcopy(self).eval()  # running statistics
        noise = torch.zeros(len(image), self.num_slots, self.config.mask_latent_dim).to(image)
        log_masks = evaluated._log_masks(evaluated._mask_posteriors(image, noise)[1])
        posterior = self.encoder.slots(image, log_masks)
        appearances = self._appearances(posterior.mean)
        sample = posterior.mean + posterior.stddev * self.noise_like(posterior.mean)
        views = (t.unsqueeze(1) for t in (log_masks, appearances, (log_masks.exp() * appearances).sum(1)))
        return SlotInference(posterior.mean, posterior.stddev, sample, *views)

    def loss(self, images: Tensor, viewpoints: Tensor | None = None) -> LossTerms:
        config, image = self.config, images[:, 0]
        noise = self.noise_like(torch.empty(len(image), self.num_slots, config.mask_latent_dim).to(image))
        mask_posterior, mask_latents = self._mask_posteriors(image, noise)
        log_masks = self._log_masks(mask_latents)
        posterior = self.encoder.slots(image, log_masks)
        sample = posterior.mean + posterior.stddev * self.noise_like(posterior.mean)

        log_densities = pixel_log_densities(image, self._appearances(sample), config.pixel_std)
        nll = -mixture_log_likelihood(log_masks, log_densities).sum((1, 2, 3, 4)).mean()
        kl_mask = _sampled_kl(mask_posterior, self._mask_priors(mask_latents), mask_latents)
        kl_latent = _sampled_kl(posterior, _learned_prior(self.prior(mask_latents)), sample)
        lds = lds_log_prior(config, posterior, sample).mean()
        total = nll + self._geco(nll.item()) * (kl_mask + kl_latent - self.lds_scale * config.lds_weight * lds)
        return LossTerms(total, nll, kl_latent, lds, kl_mask)

    def log_weights(self, images: Tensor, viewpoints: Tensor | None = None) -> Callable[[int], Tensor]:
        image, model = images[:, 0], deepcopy(self).eval()  # running statistics
        mask_dim = self.config.mask_latent_dim
        shape = torch.empty(len(image), self.num_slots, mask_dim + self.config.latent_dim).to(image)

        def draw() -> Tensor:
            noise = self.noise_like(shape)
            mask_posterior, mask_latents = model._mask_posteriors(image, noise[:, :, :mask_dim])
            log_masks = model._log_masks(mask_latents)
            posterior = model.encoder.slots(image, log_masks)
            sample = posterior.mean + posterior.stddev * noise[:, :, mask_dim:]
            log_densities = pixel_log_densities(image, model._appearances(sample), self.config.pixel_std)
            log_weight = mixture_log_likelihood(log_masks, log_densities).sum((1, 2, 3, 4))
            for q, p, latents in (
                (mask_posterior, model._mask_priors(mask_latents), mask_latents),
                (posterior, _learned_prior(model.prior(mask_latents)), sample),
            ):
                log_weight = log_weight + (p.log_prob(latents) - q.log_prob(latents)).sum((1, 2))
            return log_weight

        return plain_log_weights(draw)

    def _geco(self, nll: float) -> float:
        """The weight beta of this step; the next one's follows from the moving average of the nll (GECO)."""
        config, beta, size = self.config, self.beta.item(), self.image_size
        average = 0.99 * self.nll_average.item() + 0.01 * nll if self.nll_seen else nll
        room = config.geco_goal * 3 * size**2 - average
        rate = config.geco_rate * 64**2 / size**2 * (config.geco_speedup if room > 0 else 1.0)
        self.nll_seen = True
        self.nll_average.fill_(average)
        self.beta.fill_(min(max(beta * math.exp(rate * room), 1e-10), 1e10))
        return beta


def _learned_prior(out: Tensor) -> Normal:
    mean, raw = out.chunk(2, dim=-1)
    return Normal(torch.tanh(mean), torch.sigmoid(raw + 4) + 1e-4)


def _sampled_kl(posterior: Normal, prior: Normal, sample: Tensor) -> Tensor:
    """An estimate of KL(posterior || prior) by one sample, averaged over the batch."""
    return (posterior.log_prob(sample) - prior.log_prob(sample)).sum((1, 2)).mean()
