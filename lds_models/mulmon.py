"""MulMON (Li et al. 2020, arXiv:2111.07117), multi-view inference of objects, with the LDS prior."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from lds_models.decoder import BroadcastDecoder
from lds_models.iterative import Iteration, Posterior, Refiner, render_slots
from lds_models.lds_prior import LDS
from lds_models.log_weights import gaussian_log_weights, samples_log_likelihood
from lds_models.model import LossTerms, ModelConfig, MultiViewModel, Rendering, SlotInference
from lds_models.networks import ALPHAS, StridedEncoder
from lds_models.refinement import SPATIAL_INPUTS, RefinementNetwork, explain_pixels

VIEWPOINT_DIMS = {"clevr": 3, "pose": 9, "gqn": 7}  # of `Scene.viewpoints`


@dataclass
class MulMONConfig(ModelConfig):
    """Defaults are the LDS paper's setting (its appendix A, table 3), without LDS."""

    name: str = "mulmon"
    iterations: int = 5
    decoder_channels: int = 32
    decoder_layers: int = 4
    decoder_activation: str = "relu"  # relu, elu
    decoder_padded: bool = False  # convolutions on the image's own grid, padded with zeros; as IODINE's
    hidden: int = 128
    pixel_std: float = 0.1
    kl_latent_weight: float = 1.0
    query_weight: float = 1.0
    viewpoint_kind: str = "clevr"
    viewpoint_features: int = 5
    viewpoint_noise: float = 0.015
    min_observed: int = 1  # views that a training step observes: as many as this, to as many as that
    max_observed: int = 6


class MulMON(MultiViewModel):
    """IODINE's inference in each view; what it knows after one view is the prior of the next.

    It departs from the authors' code (github.com/NanboLi/MulMON) in these: the mixture is one of pixels (LDS paper, eq.
    1), not of each colour of a pixel; the KL is in closed form, not of a sample; the encoder's convolutions are padded;
    and the network sees the inputs of IODINE (gradients by mask logits, likelihoods as logarithms, and the mixture's
    posterior, see `IODINE`).
    """

    config: MulMONConfig

    def __init__(self, config: MulMONConfig) -> None:
        super().__init__()
        if config.viewpoint_kind not in VIEWPOINT_DIMS:
            raise ValueError(
                f"viewpoint_kind must be one of {', '.join(VIEWPOINT_DIMS)}, got '{config.viewpoint_kind}'"
            )
        if not 1 <= config.min_observed <= config.max_observed:
            raise ValueError(
                f"min_observed must be 1 or more and at most max_observed, got {config.min_observed} and "
                f"{config.max_observed}"
            )
        if config.decoder_activation not in ALPHAS:
            raise ValueError(f"decoder_activation must be {' or '.join(ALPHAS)}, got '{config.decoder_activation}'")
        self.config = config
        self.num_slots, self.image_size = config.num_slots, config.image_size
        self.pixel_std = config.pixel_std
        self.viewpoint_kind = config.viewpoint_kind
        latent_dim = config.latent_dim
        decoder = BroadcastDecoder(
            latent_dim, 4, config.image_size, config.decoder_channels, config.decoder_layers, config.patch,
            config.decoder_activation, config.decoder_padded, config.checkpointing,
        )  # fmt: skip
        encoder = StridedEncoder(SPATIAL_INPUTS, config.image_size, config.hidden)
        network = RefinementNetwork(encoder, config.hidden, config.hidden, latent_dim)
        self.refiner = Refiner(
            decoder, network, LDS(config, latent_dim), config.iterations, config.pixel_std, config.kl_latent_weight
        )
        self.viewpoint_encoder = nn.Sequential(
            nn.Linear(VIEWPOINT_DIMS[config.viewpoint_kind], 128), nn.ReLU(), nn.Linear(128, config.viewpoint_features)
        )
        self.projector = nn.Sequential(
            nn.Linear(latent_dim + config.viewpoint_features, 512), nn.ReLU(), nn.Linear(512, latent_dim)
        )
        self.initial = nn.Parameter(torch.randn(2 * latent_dim) - 0.5)

    def infer(self, images: Tensor, viewpoints: Tensor | None = None) -> SlotInference:
        """Fuse all V views, in their order, and render the scene as seen from each."""
        viewpoints = self._checked(images, viewpoints)
        posterior = self.fuse(images, viewpoints)
        with torch.inference_mode(False), torch.no_grad():
            codes = self.viewpoint_encoder(viewpoints.clone())
            sample = posterior.mean + posterior.std * self.noise_like(posterior.std)
            rendering = self._render(posterior.mean, codes)
        return SlotInference(posterior.mean, posterior.std, sample, **vars(rendering))

    def fuse(self, images: Tensor, viewpoints: Tensor | None, known: Posterior | None = None) -> Posterior:
        """What is known of scenes after views [B,V,3,H,W] from viewpoints [B,V,Dv], seen one after another.

        Args:
            known: what was known before; None: nothing.
        """
        viewpoints = self._checked(images, viewpoints)
        with torch.inference_mode(False), torch.no_grad():
            return self.observe(images.clone(), self.viewpoint_encoder(viewpoints.clone()), known)[0]

    def render(self, latents: Tensor, viewpoints: Tensor | None = None) -> Rendering:
        return self._render(latents, self.viewpoint_encoder(self.given(viewpoints)))

    def loss(self, images: Tensor, viewpoints: Tensor | None = None) -> LossTerms:
        """The objective of some of the V views, observed one after another, and the likelihood of the others.

        Later views and later iterations weigh more: in proportion to their number, the weights of each summing to 1.
        """
        viewpoints, config = self._checked(images, viewpoints), self.config
        codes = self.viewpoint_encoder(viewpoints + config.viewpoint_noise * self.noise_like(viewpoints))
        seen, queried = self._choose_views(images.shape[1])
        posterior, history = self.observe(images[:, seen], codes[:, seen])
        objectives = [
            view_weight * weight * self.refiner.objective(step, self.lds_scale)
            for view_weight, view in zip(rising_weights(len(history)), history, strict=True)
            for weight, step in zip(rising_weights(len(view)), view, strict=True)
        ]
        query_nll = self._query_nll(posterior, images[:, queried], codes[:, queried])
        total = torch.stack(objectives).sum() + config.query_weight * query_nll
        nll, kl, lds = (
            torch.stack([getattr(view[-1], name).mean() for view in history]).mean() for name in ("nll", "kl", "lds")
        )
        return LossTerms(total, nll, kl, lds, query_nll=query_nll)

    def log_weights(self, images: Tensor, viewpoints: Tensor | None = None) -> Callable[[int], Tensor]:
        """q is the posterior after all V views; p(x, z) are the first view's prior and the V views' mixtures.

        Given the latents, views are independent. The prior is learned, as in the authors' code (NanboLi/MulMON).
        """
        viewpoints = self._checked(images, viewpoints)
        with torch.inference_mode(False), torch.no_grad():
            images = images.clone()
            codes = self.viewpoint_encoder(viewpoints.clone())
            posterior, _ = self.observe(images, codes)
        prior = self._prior(len(images))

        def log_likelihood(latents: Tensor, samples: int) -> Tensor:
            of_views = latents.unsqueeze(1).expand(-1, images.shape[1], -1, -1)
            means, logits = self._decode(of_views, codes.repeat_interleave(samples, 0)).split([3, 1], dim=3)
            return samples_log_likelihood(images, means, logits.log_softmax(2), self.config.pixel_std, samples)

        of_latents = (posterior.mean, posterior.std), (prior.mean, prior.std)
        return gaussian_log_weights(self.noise_like, *of_latents, log_likelihood)

    def observe(
        self, images: Tensor, codes: Tensor, known: Posterior | None = None
    ) -> tuple[Posterior, list[list[Iteration]]]:
        """Infer from images [B,V,3,H,W] and viewpoint codes [B,V,C]: a view's posterior is the next one's prior.

        The first one's is what was `known` before; None: nothing.
        """
        posterior = self._prior(len(images)) if known is None else known
        history = []
        for image, code in zip(images.unbind(1), codes.unbind(1), strict=True):
            project = partial(self._project, codes=code)
            posterior, iterations = self.refiner(image, posterior, posterior, self.noise_like, project)
            history.append(iterations)
        return posterior, history

    def _prior(self, batch: int) -> Posterior:
        """What is known of a scene before its first view."""
        return Posterior.of_all_slots(self.initial, batch, self.num_slots)

    def _choose_views(self, views: int) -> tuple[Tensor, Tensor]:
        """Which of a scene's views a training step observes, and in which order; and the others."""
        order = torch.randperm(views)
        least, most = (min(number, views) for number in (self.config.min_observed, self.config.max_observed))
        observed = int(torch.randint(least, most + 1, ()))
        return order[:observed], order[observed:]

    def _query_nll(self, posterior: Posterior, images: Tensor, codes: Tensor) -> Tensor:
        """Minus the log-likelihood of an image [B,Q,3,H,W] that was not observed, on average; 0 where there is none."""
        if not images.shape[1]:
            return torch.zeros_like(posterior.mean[0, 0, 0])
        mean, std = (x.unsqueeze(1).expand(-1, images.shape[1], -1, -1) for x in (posterior.mean, posterior.std))
        decoded = self._decode(mean + std * self.noise_like(std), codes)
        return explain_pixels(images.flatten(0, 1), decoded.flatten(0, 1), self.config.pixel_std).nll.mean()

    def _render(self, latents: Tensor, codes: Tensor) -> Rendering:
        """The scenes of latents [B,K,D] as seen from the viewpoints of codes [B,V,C]."""
        return render_slots(self._decode(latents.unsqueeze(1).expand(-1, codes.shape[1], -1, -1), codes))

    def _decode(self, latents: Tensor, codes: Tensor) -> Tensor:
        """Decoded slots [B,V,K,4,H,W] of latents [B,V,K,D] as seen from the viewpoints of codes [B,V,C]."""
        projected = self._project(latents.flatten(0, 1), codes.flatten(0, 1))
        return self.refiner.decode(projected).unflatten(0, codes.shape[:2])

    def _project(self, latents: Tensor, codes: Tensor) -> Tensor:
        """Latents [N,K,D] as they appear from the viewpoints of codes [N,C]."""
        codes = codes.unsqueeze(1).expand(-1, latents.shape[1], -1)
        return self.projector(torch.cat([latents, codes.to(latents.dtype)], dim=-1))

    def _checked(self, images: Tensor, viewpoints: Tensor | None) -> Tensor:
        """The viewpoints. Raises ValueError where images or viewpoints do not do."""
        self.check_images(images)
        expected = [*images.shape[:2], VIEWPOINT_DIMS[self.viewpoint_kind]]
        if viewpoints is None or list(viewpoints.shape) != expected:
            given = "none" if viewpoints is None else list(viewpoints.shape)
            raise ValueError(f"expected viewpoints {expected} ({self.viewpoint_kind}), got {given}")
        return viewpoints


def rising_weights(count: int) -> list[float]:
    """1, 2, ..., count, divided by their sum."""
    return [2 * number / (count * (count + 1)) for number in range(1, count + 1)]
