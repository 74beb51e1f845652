"""MulMON as Li et al. 2020 write it, but for what `MulMON` departs in."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from lds_models.model import LossTerms, MultiViewModel, Rendering, SlotInference
from lds_models.mulmon import MulMON, MulMONConfig
from lds_models.reference.refinement import Evaluation, PlainRefiner, derivatives_one_by_one, posterior_of
from lds_models.reference.textbook import plain_log_weights


class PlainMulMON(MultiViewModel):
    """Takes the fast model's parameters over."""

    config: MulMONConfig

    def __init__(self, fast: MulMON) -> None:
        super().__init__()
        self.config, self.num_slots, self.image_size = fast.config, fast.num_slots, fast.image_size
        self.viewpoint_kind = fast.viewpoint_kind
        self.refiner = PlainRefiner(fast.refiner, fast.config, derivatives_one_by_one)
        self.viewpoint_encoder, self.projector, self.initial = fast.viewpoint_encoder, fast.projector, fast.initial

    def _project(self, latents: Tensor, code: Tensor) -> Tensor:
        """Latents [B,K,D] as seen from the viewpoint of code [B,C]."""
        return self.projector(torch.cat([latents, code.unsqueeze(1).expand(-1, latents.shape[1], -1)], dim=2))

    def _observe(self, images: Tensor, codes: Tensor) -> tuple[Tensor, list[list[Evaluation]]]:
        """Parameters [B,K,2D] after views [B,V,3,H,W], and each view's evaluations."""
        parameters, history = self.initial.expand(len(images), self.num_slots, -1), []
        for image, code in zip(images.unbind(1), codes.unbind(1), strict=True):
            project = partial(self._project, code=code)
            parameters, evaluations = self.refiner(
                image, parameters, posterior_of(parameters), self.noise_like, project
            )
            history.append(evaluations)
        return parameters, history

    def infer(self, images: Tensor, viewpoints: Tensor | None = None) -> SlotInference:
        with torch.enable_grad():
            parameters, _ = self._observe(images, self.viewpoint_encoder(self.given(viewpoints)))
        posterior = posterior_of(parameters.detach())
        sample = posterior.mean + posterior.stddev * self.noise_like(posterior.stddev)
        return SlotInference(posterior.mean, posterior.stddev, sample, **vars(self.render(posterior.mean, viewpoints)))

    def render(self, latents: Tensor, viewpoints: Tensor | None = None) -> Rendering:
        rendered = []
        for code in self.viewpoint_encoder(self.given(viewpoints)).unbind(1):
            out = self.refiner.decoder(self._project(latents, code).flatten(0, 1)).unflatten(0, latents.shape[:2])
            appearances, masks = out[:, :, :3].clamp(0, 1), torch.softmax(out[:, :, 3:], dim=1)
            rendered.append((masks.log(), appearances, (masks * appearances).sum(1)))
        return Rendering(*(torch.stack(views, dim=1) for views in zip(*rendered, strict=True)))

    def loss(self, images: Tensor, viewpoints: Tensor | None = None) -> LossTerms:
        config, views, viewpoints = self.config, images.shape[1], self.given(viewpoints)
        codes = self.viewpoint_encoder(viewpoints + config.viewpoint_noise * self.noise_like(viewpoints))
        order = torch.randperm(views)
        observed = int(torch.randint(min(config.min_observed, views), min(config.max_observed, views) + 1, ()))
        seen, queried = order[:observed], order[observed:]
        parameters, history = self._observe(images[:, seen], codes[:, seen])
        terms = config.kl_latent_weight, self.lds_scale * config.lds_weight
        of_views = [_rising_mean([e.objective(*terms) for e in evaluations]) for evaluations in history]
        query_nll = self._query_nll(parameters, images[:, queried], codes[:, queried])
        total = _rising_mean(of_views) + config.query_weight * query_nll
        ends = [evaluations[-1] for evaluations in history]
        nll, kl, lds = (torch.stack([getattr(end, name) for end in ends]).mean() for name in ("nll", "kl", "lds"))
        return LossTerms(total, nll, kl, lds, query_nll=query_nll)

    def log_weights(self, images: Tensor, viewpoints: Tensor | None = None) -> Callable[[int], Tensor]:
        codes = self.viewpoint_encoder(self.given(viewpoints))
        with torch.enable_grad():
            posterior = posterior_of(self._observe(images, codes)[0].detach())
        prior = posterior_of(self.initial.expand(self.num_slots, -1))

        def draw() -> Tensor:
            sample = posterior.mean + posterior.stddev * self.noise_like(posterior.mean)
            log_weight = (prior.log_prob(sample) - posterior.log_prob(sample)).sum((1, 2))
            for image, code in zip(images.unbind(1), codes.unbind(1), strict=True):
                decoded = self.refiner.decode(image, self._project(sample, code))
                log_weight = log_weight + decoded.log_likelihood.sum((1, 2, 3, 4))
            return log_weight

        return plain_log_weights(draw)

    def _query_nll(self, parameters: Tensor, images: Tensor, codes: Tensor) -> Tensor:
        """Minus the mean log-likelihood of images [B,Q,3,H,W] under the scene's posterior, seen from codes [B,Q,C]."""
        if images.shape[1] == 0:
            return torch.zeros(()).to(parameters)
        posterior = posterior_of(parameters)
        noise = self.noise_like(torch.stack([posterior.stddev] * images.shape[1], dim=1))
        nlls = []
        for image, code, eps in zip(images.unbind(1), codes.unbind(1), noise.unbind(1), strict=True):
            decoded = self.refiner.decode(image, self._project(posterior.mean + posterior.stddev * eps, code))
            nlls.append(-decoded.log_likelihood.sum((1, 2, 3, 4)).mean())
        return torch.stack(nlls).mean()


def _rising_mean(losses: list[Tensor]) -> Tensor:
    """The mean of losses weighted by 1, 2, 3, ..."""
    weighted = torch.stack([n * loss for n, loss in enumerate(losses, start=1)])
    return weighted.sum() / sum(range(1, len(losses) + 1))
