"""IODINE as Greff et al. 2019 write it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import Normal

from lds_models.iodine import IODINE, IODINEConfig
from lds_models.model import LossTerms, SceneModel, SlotInference
from lds_models.reference.refinement import Evaluation, PlainRefiner, derivatives_in_one_call, posterior_of
from lds_models.reference.textbook import plain_log_weights


class PlainIODINE(SceneModel):
    """Takes the fast model's parameters over."""

    config: IODINEConfig

    def __init__(self, fast: IODINE) -> None:
        super().__init__()
        self.config, self.num_slots, self.image_size = fast.config, fast.num_slots, fast.image_size
        self.refiner = PlainRefiner(fast.refiner, fast.config, derivatives_in_one_call)
        self.initial = fast.initial

    def _refine(self, image: Tensor) -> tuple[Tensor, list[Evaluation]]:
        start = self.initial.expand(len(image), self.num_slots, -1)
        prior = Normal(torch.zeros_like(start.chunk(2, dim=-1)[0]), 1.0)
        return self.refiner(image, start, prior, self.noise_like)

    def infer(self, images: Tensor, viewpoints: Tensor | None = None) -> SlotInference:
        with torch.enable_grad():
            posterior = posterior_of(self._refine(images[:, 0])[0].detach())
            sample = posterior.mean + posterior.stddev * self.noise_like(posterior.stddev)
            decoded = self.refiner.decode(images[:, 0], posterior.mean)
        log_masks, appearances = decoded.log_masks.detach(), decoded.means.detach().clamp(0, 1)
        views = (t.unsqueeze(1) for t in (log_masks, appearances, (log_masks.exp() * appearances).sum(1)))
        return SlotInference(posterior.mean, posterior.stddev, sample, *views)

    def loss(self, images: Tensor, viewpoints: Tensor | None = None) -> LossTerms:
        config = self.config
        _, evaluations = self._refine(images[:, 0])
        weights = config.kl_latent_weight, self.lds_scale * config.lds_weight
        objectives = [t * e.objective(*weights) for t, e in enumerate(evaluations, start=1)]
        total = torch.stack(objectives).sum() / len(evaluations)
        last = evaluations[-1]
        return LossTerms(total, last.nll.mean(), last.kl.mean(), last.lds.mean())

    def log_weights(self, images: Tensor, viewpoints: Tensor | None = None) -> Callable[[int], Tensor]:
        with torch.enable_grad():
            posterior = posterior_of(self._refine(images[:, 0])[0].detach())

        def draw() -> Tensor:
            sample = posterior.mean + posterior.stddev * self.noise_like(posterior.mean)
            likelihood = self.refiner.decode(images[:, 0], sample).log_likelihood.sum((1, 2, 3, 4))
            return likelihood + (Normal(0.0, 1.0).log_prob(sample) - posterior.log_prob(sample)).sum((1, 2))

        return plain_log_weights(draw)
