"""GENESIS (Engelcke et al. 2020, arXiv:1907.13052) with the LDS prior."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lds_models.decoder import BroadcastDecoder
from lds_models.genesis_geco import GECO
from lds_models.genesis_masks import MaskPosterior, MaskPrior, bounded_normal, sampled_kl, stick_breaking
from lds_models.genesis_networks import FEATURES, MaskDecoder, MaskEncoder
from lds_models.lds_prior import LDS, LDSConfig
from lds_models.mixture import mixture_log_likelihood
from lds_models.model import LossTerms, SceneModel, SlotInference
from lds_models.networks import ComponentEncoder
from lds_models.precision import wide


@dataclass
class GENESISConfig(LDSConfig):
    """Defaults are those of the authors' code, which the LDS paper kept (its appendix C.2), without LDS."""

    name: str = "genesis"
    image_size: int = 64
    num_slots: int = 7
    mask_latent_dim: int = 64
    latent_dim: int = 16
    decoder_channels: int = 32
    decoder_layers: int = 4
    patch: int = 1
    pixel_std: float = 0.7
    checkpointing: bool = False  # less memory, and a slower step
    geco_goal: float = 0.5655  # nll to reach, nats a pixel and channel; at pixel_std 0.7 an MSE of 0.0032
    geco_rate: float = 1e-5  # a nat, for images of 64x64
    geco_speedup: float = 10.0


class GENESIS(SceneModel):
    """Mask latents follow one another autoregressively and are decoded to masks; a VAE explains each masked part.

    The slots' latents that LDS keeps apart are those of the components, [B,K,latent_dim]: what each slot says of its
    part of the image, seen with its mask, as in MONet. Mask latents differ for any two masks by construction.

    It departs from the authors' code (github.com/applied-ai-lab/genesis) in two things: the mixture is one of pixels
    (LDS paper, eq. 1), not of each colour of a pixel, and the last slot's own mask, which nothing uses, is not decoded.
    """

    def __init__(self, config: GENESISConfig) -> None:
        super().__init__()
        if config.num_slots < 2:
            raise ValueError(f"num_slots must be 2 or more, got {config.num_slots}")
        self.config = config
        self.lds = LDS(config, config.latent_dim)
        self.num_slots, self.image_size = config.num_slots, config.image_size
        size, mask_dim = config.image_size, config.mask_latent_dim
        self.mask_encoder = MaskEncoder(size, config.patch)
        self.mask_posterior = MaskPosterior(FEATURES, mask_dim)
        self.mask_prior = MaskPrior(mask_dim)
        self.mask_decoder = MaskDecoder(mask_dim, size, config.patch)
        self.encoder = ComponentEncoder(size, config.latent_dim, "elu")
        self.decoder = BroadcastDecoder(
            config.latent_dim, 3, size, config.decoder_channels, config.decoder_layers, config.patch,
            activation="elu", checkpointing=config.checkpointing,
        )  # fmt: skip
        self.prior = nn.Sequential(
            nn.Linear(mask_dim, 256), nn.ELU(), nn.Linear(256, 256), nn.ELU(), nn.Linear(256, 2 * config.latent_dim)
        )
        # The goal is per number of an image; the rate keeps the pace that it has for 64x64 pixels.
        self.geco = GECO(config.geco_goal * 3 * size**2, config.geco_rate * 64**2 / size**2, config.geco_speedup)

    def attend(self, image: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mask latents of images [B,3,H,W], and what they are decoded to.

        Args:
            noise: [B,K,mask_latent_dim], what samples differ from means by, in standard deviations.

        Returns:
            samples and standard deviations [B,K,mask_latent_dim], and log masks [B,K,1,H,W] which sum to 1 over K.
        """
        features = self.mask_encoder(image)
        with _full_precision(image):
            latents, std = self.mask_posterior(wide(features), noise)
        # The last mask is what the others leave: its latent has no mask of its own, only a component.
        logits = wide(self.mask_decoder(latents[:, :-1].flatten(0, 1))).unflatten(0, (len(image), -1))
        return latents, std, stick_breaking(logits)

    def decode(self, latents: Tensor) -> Tensor:
        """Appearances [B,K,3,H,W] in [0,1] of component latents [B,K,D]."""
        return wide(self.decoder(latents.flatten(0, 1))).sigmoid().unflatten(0, latents.shape[:2])

    def infer(self, images: Tensor, viewpoints: Tensor | None = None) -> SlotInference:
        """Masks are those of each mask latent's mean, given the means before it. No different in training mode."""
        self.check_images(images)
        image = images[:, 0]
        with _evaluation(self):
            noise = image.new_zeros(len(image), self.num_slots, self.config.mask_latent_dim)
            log_masks = self.attend(image, noise)[-1]
            mean, std = self.encoder.slots(image, log_masks)
            appearances = self.decode(mean)
        sample = mean + std * self.noise_like(std)
        reconstruction = (log_masks.exp() * appearances).sum(1)
        return SlotInference(mean, std, sample, *(t.unsqueeze(1) for t in (log_masks, appearances, reconstruction)))

    def loss(self, images: Tensor, viewpoints: Tensor | None = None) -> LossTerms:
        """nll + beta * (kl_latent + kl_mask - lambda * lds), beta by GECO: LDS is part of the prior, as the KLs are.

        The KLs are of one sample, as an autoregressive prior over samples asks for: below 0 at times.
        """
        self.check_images(images)
        config, image = self.config, images[:, 0]
        mask_noise = self.noise_like(image.new_empty(len(image), self.num_slots, config.mask_latent_dim))
        mask_latents, mask_std, log_masks = self.attend(image, mask_noise)
        mean, std = self.encoder.slots(image, log_masks)
        noise = self.noise_like(std)
        sample = mean + std * noise
        appearances, log_masks = self.decode(sample).unsqueeze(1), log_masks.unsqueeze(1)

        nll = -mixture_log_likelihood(images, appearances, log_masks, config.pixel_std).mean()
        with _full_precision(image):
            kl_mask = sampled_kl(mask_noise, mask_std, mask_latents, *self.mask_prior(mask_latents)).mean()
            kl_latent = sampled_kl(noise, std, sample, *bounded_normal(self.prior(mask_latents))).mean()
        lds = self.lds(mean, std, sample, log_masks).mean()
        divergence = kl_latent + kl_mask
        if config.lds_weight:
            divergence = divergence - self.lds_scale * config.lds_weight * lds
        return LossTerms(nll + self.geco(nll) * divergence, nll, kl_latent, lds, kl_mask)


def _full_precision(tensor: Tensor) -> torch.autocast:
    """What is computed within it is so in float32: latents are few, and each one follows from those before."""
    return torch.autocast(tensor.device.type, enabled=False)


@contextmanager
def _evaluation(model: nn.Module) -> Iterator[None]:
    """The model in evaluation mode: running statistics, which one process can use without the others."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
