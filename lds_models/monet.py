"""MONet (Burgess et al. 2019, arXiv:1901.11390) with the LDS prior."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from lds_models.decoder import BroadcastDecoder
from lds_models.lds_prior import LDS
from lds_models.log_weights import gaussian_log_weights, samples_log_likelihood
from lds_models.mixture import categorical_kl, gaussian_kl, mixture_log_likelihood
from lds_models.model import LossTerms, ModelConfig, Rendering, SceneModel, SlotInference
from lds_models.networks import ComponentEncoder, UNet
from lds_models.precision import wide


@dataclass
class MONetConfig(ModelConfig):
    """Defaults are the LDS paper's setting (its appendix A, table 1), without LDS."""

    name: str = "monet"
    attention_channels: int = 32
    decoder_channels: int = 32
    decoder_layers: int = 4
    background_std: float = 0.1  # pixel noise of the first slot
    foreground_std: float = 0.1
    kl_latent_weight: float = 0.5
    kl_mask_weight: float = 0.5


class MONet(SceneModel):
    """A U-Net cuts the image into K masks one after another; a VAE explains each masked part."""

    config: MONetConfig
    pixel_std: Tensor  # [K]

    def __init__(self, config: MONetConfig) -> None:
        super().__init__()
        self.config = config
        self.lds = LDS(config, config.latent_dim)
        self.num_slots, self.image_size = config.num_slots, config.image_size
        size = config.image_size
        self.attention = UNet(4, size, config.attention_channels, config.patch)
        self.encoder = ComponentEncoder(size, config.latent_dim)
        self.decoder = BroadcastDecoder(
            config.latent_dim, 4, size, config.decoder_channels, config.decoder_layers, config.patch,
            checkpointing=config.checkpointing,
        )  # fmt: skip
        std = torch.full([config.num_slots], config.foreground_std)
        std[0] = config.background_std
        self.register_buffer("pixel_std", std, persistent=False)

    def attend(self, image: Tensor) -> Tensor:
        """Log masks [B,K,1,H,W] of images [B,3,H,W], by stick breaking; they sum to 1 over K (eq. 1 of MONet)."""
        log_scope = torch.zeros_like(image[:, :1])
        log_masks = []
        for _ in range(self.num_slots - 1):
            seen = torch.cat([image, log_scope], dim=1)
            if self.config.checkpointing and torch.is_grad_enabled():
                logits = wide(checkpoint(self.attention, seen, use_reentrant=False))
            else:
                logits = wide(self.attention(seen))
            log_masks.append(log_scope + F.logsigmoid(logits))
            log_scope = log_scope + F.logsigmoid(-logits)
        return torch.stack([*log_masks, log_scope], dim=1)

    def decode(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Appearances [B,K,3,H,W] in [0,1] and log prior masks [B,K,1,H,W] of latents [B,K,D]."""
        batch, slots, _ = latents.shape
        out = wide(self.decoder(latents.flatten(0, 1))).unflatten(0, (batch, slots))
        return out[:, :, :3].sigmoid(), out[:, :, 3:].log_softmax(dim=1)

    def render(self, latents: Tensor, viewpoints: Tensor | None = None) -> Rendering:
        appearances, log_masks = self.decode(latents)
        return Rendering.of_slots(log_masks.unsqueeze(1), appearances.unsqueeze(1))

    def infer(self, images: Tensor, viewpoints: Tensor | None = None) -> SlotInference:
        self.check_images(images)
        image = images[:, 0]
        log_masks = self.attend(image)
        mean, std = self.encoder.slots(image, log_masks)
        sample = mean + std * self.noise_like(std)
        appearances, _ = self.decode(mean)
        rendering = Rendering.of_slots(log_masks.unsqueeze(1), appearances.unsqueeze(1))
        return SlotInference(mean, std, sample, **vars(rendering))

    def loss(self, images: Tensor, viewpoints: Tensor | None = None) -> LossTerms:
        self.check_images(images)
        config, image = self.config, images[:, 0]
        log_masks = self.attend(image)
        mean, std = self.encoder.slots(image, log_masks)
        sample = mean + std * self.noise_like(std)
        appearances, log_prior_masks = self.decode(sample)

        log_masks, log_prior_masks = log_masks.unsqueeze(1), log_prior_masks.unsqueeze(1)
        nll = -mixture_log_likelihood(images, appearances.unsqueeze(1), log_masks, self.pixel_std).mean()
        kl_latent = gaussian_kl(mean, std).mean()
        kl_mask = categorical_kl(log_masks, log_prior_masks).mean()
        lds = self.lds(mean, std, sample, log_masks).mean()
        total = nll + config.kl_latent_weight * kl_latent + config.kl_mask_weight * kl_mask
        if config.lds_weight:
            total = total - self.lds_scale * config.lds_weight * lds
        return LossTerms(total, nll, kl_latent, lds, kl_mask)

    def log_weights(self, images: Tensor, viewpoints: Tensor | None = None) -> Callable[[int], Tensor]:
        """p(x, z): standard normal latents, and a mixture whose masks are decoded from them, as its colours are.

        These are the mixing probabilities p(C_i = k | z_k) of the LDS paper's equation 1, the softmax of what the
        generator puts out (its appendix B), and p(c | z) of MONet. The attention's masks follow from the image: with
        them, the mixture would be no density of images, and equation 5 no KL. They are part of q, since the encoder
        sees the image through them; `loss` draws them to the decoded ones by the mask KL.
        """
        self.check_images(images)
        image = images[:, 0]
        posterior = self.encoder.slots(image, self.attend(image))
        prior = torch.zeros_like(posterior[0]), torch.ones_like(posterior[1])

        def log_likelihood(latents: Tensor, samples: int) -> Tensor:
            appearances, log_masks = (x.unsqueeze(1) for x in self.decode(latents))
            return samples_log_likelihood(images, appearances, log_masks, self.pixel_std, samples)

        return gaussian_log_weights(self.noise_like, posterior, prior, log_likelihood)
