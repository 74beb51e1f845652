"""GENESIS (Engelcke et al. 2020, arXiv:1907.13052) with the LDS prior."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lds_models.decoder import BroadcastDecoder
from lds_models.genesis_geco import GECO
from lds_models.genesis_masks import MaskPosterior, MaskPrior, bounded_normal, stick_breaking
from lds_models.genesis_networks import FEATURES, MaskDecoder, MaskEncoder
from lds_models.lds_prior import LDS
from lds_models.log_weights import sample_noise, samples_log_likelihood
from lds_models.mixture import mixture_log_likelihood, sampled_kl
from lds_models.model import LossTerms, ModelConfig, Rendering, SceneModel, SlotInference
from lds_models.networks import ComponentEncoder
from lds_models.precision import wide


@dataclass
class GENESISConfig(ModelConfig):
    """Defaults are those of the authors' code, which the LDS paper kept (its appendix C.2), without LDS."""

    name: str = "genesis"
    mask_latent_dim: int = 64
    decoder_channels: int = 32
    decoder_layers: int = 4
    pixel_std: float = 0.7
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

    config: GENESISConfig
    mixes_images = True  # by batch normalisation

    def __init__(self, config: GENESISConfig) -> None:
        super().__init__()
        if config.num_slots < 2:
            raise ValueError(f"num_slots must be 2 or more, got {config.num_slots}")
        self.config = config
        self.lds = LDS(config, config.latent_dim)
        self.num_slots, self.image_size = config.num_slots, config.image_size
        self.pixel_std = config.pixel_std
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

    def attend(self, features: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mask latents of images, and what they are decoded to.

        Args:
            features: [B,F], what `mask_encoder` sees in the images.
            noise: [B,K,mask_latent_dim], what samples differ from means by, in standard deviations.

        Returns:
            samples and standard deviations [B,K,mask_latent_dim], and log masks [B,K,1,H,W] which sum to 1 over K.
        """
        with _full_precision(features):
            latents, std = self.mask_posterior(wide(features), noise)
        # The last mask is what the others leave: its latent has no mask of its own, only a component.
        logits = wide(self.mask_decoder(latents[:, :-1].flatten(0, 1))).unflatten(0, (len(noise), -1))
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
            log_masks = self.attend(self.mask_encoder(image), noise)[-1]
            mean, std = self.encoder.slots(image, log_masks)
            appearances = self.decode(mean)
        sample = mean + std * self.noise_like(std)
        rendering = Rendering.of_slots(log_masks.unsqueeze(1), appearances.unsqueeze(1))
        return SlotInference(mean, std, sample, **vars(rendering))

    def loss(self, images: Tensor, viewpoints: Tensor | None = None) -> LossTerms:
        """nll + beta * (kl_latent + kl_mask - lambda * lds), beta by GECO: LDS is part of the prior, as the KLs are.

        The KLs are of one sample, as an autoregressive prior over samples asks for: below 0 at times.
        """
        self.check_images(images)
        config, image = self.config, images[:, 0]
        mask_noise = self.noise_like(image.new_empty(len(image), self.num_slots, config.mask_latent_dim))
        mask_latents, mask_std, log_masks = self.attend(self.mask_encoder(image), mask_noise)
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

    def log_weights(self, images: Tensor, viewpoints: Tensor | None = None) -> Callable[[int], Tensor]:
        """z are mask latents and component latents: both priors are learned, the masks' autoregressive. Masks are
        those of each sample of mask latents, and so the components' posterior is another one for each, too."""
        self.check_images(images)
        image, mask_dim = images[:, 0], self.config.mask_latent_dim
        with _evaluation(self):
            features = self.mask_encoder(image)
        shape = image.new_empty(len(image), self.num_slots, mask_dim + self.config.latent_dim)

        def draw(samples: int) -> Tensor:
            mask_noise, noise = sample_noise(self.noise_like, shape, samples).tensor_split([mask_dim], dim=-1)
            with _evaluation(self):
                mask_latents, mask_std, log_masks = self.attend(features.repeat_interleave(samples, 0), mask_noise)
                mean, std = self.encoder.slots(image.repeat_interleave(samples, 0), log_masks)
                sample = mean + std * noise
                appearances, log_masks = (x.unsqueeze(1) for x in (self.decode(sample), log_masks))
                log_weights = samples_log_likelihood(images, appearances, log_masks, self.config.pixel_std, samples)
            with _full_precision(image):
                of_masks = mask_noise, mask_std, mask_latents, *self.mask_prior(mask_latents)
                of_components = noise, std, sample, *bounded_normal(self.prior(mask_latents))
            for terms in (of_masks, of_components):
                log_weights = log_weights - sampled_kl(*(x.double() for x in terms))
            return log_weights.unflatten(0, (-1, samples))

        return draw


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
