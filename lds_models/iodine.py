"""IODINE (Greff et al. 2019, arXiv:1903.00450) with the LDS prior."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lds_models.decoder import BroadcastDecoder
from lds_models.iterative import Iteration, Posterior, Refiner, render_slots
from lds_models.lds_prior import LDS
from lds_models.log_weights import gaussian_log_weights, samples_log_likelihood
from lds_models.model import LossTerms, ModelConfig, Rendering, SceneModel, SlotInference
from lds_models.networks import PoolingEncoder
from lds_models.refinement import SPATIAL_INPUTS, RefinementNetwork


@dataclass
class IODINEConfig(ModelConfig):
    """Defaults are the LDS paper's setting (its appendix A, table 2) of IODINE's networks for CLEVR, without LDS."""

    name: str = "iodine"
    iterations: int = 5  # evaluations of the objective; the posterior is refined between them
    decoder_channels: int = 64
    decoder_layers: int = 4
    refinement_channels: int = 64
    hidden: int = 256
    pixel_std: float = 0.1
    kl_latent_weight: float = 1.0


class IODINE(SceneModel):
    """All slots start from the same posterior, and what they explain of the image pulls them apart, step by step.

    It departs from the authors' code (github.com/google-deepmind/deepmind-research, iodine) in two things. The network
    sees which slot a pixel comes from by the mixture's posterior, mask times likelihood; theirs leaves the mask out. T
    iterations are T evaluations with T - 1 refinements in between, as in MulMON's code; theirs refine T times, and
    their first evaluation has no weight.
    """

    config: IODINEConfig

    def __init__(self, config: IODINEConfig) -> None:
        super().__init__()
        self.config = config
        self.num_slots, self.image_size = config.num_slots, config.image_size
        self.pixel_std = config.pixel_std
        decoder = BroadcastDecoder(
            config.latent_dim, 4, config.image_size, config.decoder_channels, config.decoder_layers, config.patch,
            activation="elu", padded=True, checkpointing=config.checkpointing,
        )  # fmt: skip
        encoder = PoolingEncoder(SPATIAL_INPUTS, config.refinement_channels, config.hidden)
        network = RefinementNetwork(encoder, config.hidden, config.hidden, config.latent_dim)
        self.refiner = Refiner(
            decoder,
            network,
            LDS(config, config.latent_dim),
            config.iterations,
            config.pixel_std,
            config.kl_latent_weight,
        )
        self.initial = nn.Parameter(torch.zeros(2 * config.latent_dim))

    def infer(self, images: Tensor, viewpoints: Tensor | None = None) -> SlotInference:
        self.check_images(images)
        with torch.inference_mode(False), torch.no_grad():
            posterior, _ = self._refine(images[:, 0].clone())
            sample = posterior.mean + posterior.std * self.noise_like(posterior.std)
            rendering = self.render(posterior.mean)
        return SlotInference(posterior.mean, posterior.std, sample, **vars(rendering))

    def render(self, latents: Tensor, viewpoints: Tensor | None = None) -> Rendering:
        return render_slots(self.refiner.decode(latents).unsqueeze(1))

    def loss(self, images: Tensor, viewpoints: Tensor | None = None) -> LossTerms:
        """Sum over t of t / T times the objective of iteration t (section 3.2 of IODINE), LDS in each."""
        self.check_images(images)
        _, history = self._refine(images[:, 0])
        objectives = [
            t / len(history) * self.refiner.objective(step, self.lds_scale) for t, step in enumerate(history, start=1)
        ]
        last = history[-1]
        return LossTerms(torch.stack(objectives).sum(), last.nll.mean(), last.kl.mean(), last.lds.mean())

    def log_weights(self, images: Tensor, viewpoints: Tensor | None = None) -> Callable[[int], Tensor]:
        """q is the posterior of the last iteration; p(x, z) are standard normal latents and the mixture of `loss`."""
        self.check_images(images)
        with torch.inference_mode(False), torch.no_grad():
            posterior, _ = self._refine(images[:, 0].clone())
        prior = self._prior(len(images))

        def log_likelihood(latents: Tensor, samples: int) -> Tensor:
            means, logits = self.refiner.decode(latents).unsqueeze(1).split([3, 1], dim=3)
            return samples_log_likelihood(images, means, logits.log_softmax(2), self.config.pixel_std, samples)

        of_latents = (posterior.mean, posterior.std), (prior.mean, prior.std)
        return gaussian_log_weights(self.noise_like, *of_latents, log_likelihood)

    def _refine(self, image: Tensor) -> tuple[Posterior, list[Iteration]]:
        """The posterior of an image [B,3,H,W], and the iterations on the way to it."""
        start = Posterior.of_all_slots(self.initial, len(image), self.num_slots)
        return self.refiner(image, start, self._prior(len(image)), self.noise_like)

    def _prior(self, batch: int) -> Posterior:
        zeros = torch.zeros(batch, self.num_slots, self.config.latent_dim).to(self.initial)
        return Posterior(zeros, zeros)
