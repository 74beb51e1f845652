"""MONet as Burgess et al. 2019 write it."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Normal

from lds_models.model import LossTerms, SceneModel, SlotInference
from lds_models.monet import MONet, MONetConfig
from lds_models.reference.layers import PlainBroadcastDecoder, PlainComponentEncoder, PlainUNet
from lds_models.reference.textbook import (
    latent_kl,
    lds_log_prior,
    mask_kl,
    mixture_log_likelihood,
    pixel_log_densities,
    plain_log_weights,
)


class PlainMONet(SceneModel):
    """Takes the fast model's parameters over."""

    config: MONetConfig
    pixel_std: Tensor

    def __init__(self, fast: MONet) -> None:
        super().__init__()
        self.config, self.num_slots, self.image_size = fast.config, fast.num_slots, fast.image_size
        self.attention = PlainUNet(fast.attention)
        self.encoder = PlainComponentEncoder(fast.encoder)
        self.decoder = PlainBroadcastDecoder(fast.decoder)
        std = torch.tensor([self.config.background_std] + [self.config.foreground_std] * (self.num_slots - 1))
        self.register_buffer("pixel_std", std.to(fast.pixel_std))

    def _attend(self, image: Tensor) -> Tensor:
        """Log masks [B,K,1,H,W]: each pass takes its share of the scope that the ones before have left."""
        log_scope, log_masks = torch.zeros_like(image[:, :1]), []
        for _ in range(self.num_slots - 1):
            logit = self.attention(torch.cat([image, log_scope], dim=1))
            log_masks.append(log_scope + F.logsigmoid(logit))
            log_scope = log_scope + F.logsigmoid(-logit)
        return torch.stack([*log_masks, log_scope], dim=1)

    def _decode(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """RGB [B,K,3,H,W] and mask logits [B,K,1,H,W]."""
        out = self.decoder(latents.flatten(0, 1)).unflatten(0, (-1, self.num_slots))
        return torch.sigmoid(out[:, :, :3]), out[:, :, 3:]

    def infer(self, images: Tensor, viewpoints: Tensor | None = None) -> SlotInference:
        image = images[:, 0]
        log_masks = self._attend(image)
        posterior = self.encoder.slots(image, log_masks)
        sample = posterior.mean + posterior.stddev * self.noise_like(posterior.mean)
        means, _ = self._decode(posterior.mean)
        mixture = (log_masks.exp() * means).sum(1)
        views = (t.unsqueeze(1) for t in (log_masks, means, mixture))
        return SlotInference(posterior.mean, posterior.stddev, sample, *views)

    def loss(self, images: Tensor, viewpoints: Tensor | None = None) -> LossTerms:
        config, image = self.config, images[:, 0]
        log_masks = self._attend(image)
        posterior = self.encoder.slots(image, log_masks)
        sample = posterior.mean + posterior.stddev * self.noise_like(posterior.mean)
        means, logits = self._decode(sample)

        likelihood = mixture_log_likelihood(log_masks, pixel_log_densities(image, means, self.pixel_std))
        nll = -likelihood.sum((1, 2, 3, 4)).mean()
        kl_latent = latent_kl(posterior, Normal(torch.zeros_like(sample), 1.0)).mean()
        kl_mask = mask_kl(log_masks, logits).mean()
        lds = lds_log_prior(config, posterior, sample).mean()
        total = nll + config.kl_latent_weight * kl_latent + config.kl_mask_weight * kl_mask
        total = total - self.lds_scale * config.lds_weight * lds
        return LossTerms(total, nll, kl_latent, lds, kl_mask)

    def log_weights(self, images: Tensor, viewpoints: Tensor | None = None) -> Callable[[int], Tensor]:
        image = images[:, 0]
        posterior = self.encoder.slots(image, self._attend(image))

        def draw() -> Tensor:
            sample = posterior.mean + posterior.stddev * self.noise_like(posterior.mean)
            means, logits = self._decode(sample)
            densities = pixel_log_densities(image, means, self.pixel_std)
            likelihood = mixture_log_likelihood(logits.log_softmax(1), densities).sum((1, 2, 3, 4))
            return likelihood + (Normal(0.0, 1.0).log_prob(sample) - posterior.log_prob(sample)).sum((1, 2))

        return plain_log_weights(draw)
