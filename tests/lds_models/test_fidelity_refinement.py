"""What refinement networks (IODINE, MulMON) see, against finite differences and sums over slots, in float64."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from fidelity import Case
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from lds_models.model import SceneModel
from lds_models.reference import plain
from lds_models.reference.refinement import posterior_of

SLOTS, LATENTS, STEP, KL_WEIGHT = 3, 4, 1e-6, 0.7
SETTINGS = {"num_slots": SLOTS, "latent_dim": LATENTS, "kl_latent_weight": KL_WEIGHT}
CASES = [Case("iodine", SETTINGS, batch=1), Case("mulmon", SETTINGS, batch=1)]


@dataclass(frozen=True)
class Refinement:
    """Inputs of one refinement: spatial [K,17,H,W], flat [K,4D]."""

    spatial: Tensor
    flat: Tensor

    @property
    def parameters(self) -> Tensor:
        return self.flat[:, : 2 * LATENTS]


@dataclass(frozen=True)
class Run:
    model: SceneModel
    image: Tensor
    viewpoints: Tensor | None
    refinements: list[Refinement]

    def objective(self, parameters: Tensor) -> Tensor:
        """nll + weight * KL, [N], for N posteriors' parameters [N,K,2D], by the plain formulation's decoder."""
        reference = plain(self.model)
        posterior, start = posterior_of(parameters), torch.zeros(SLOTS, 2 * LATENTS).to(parameters)
        latents = posterior.mean + posterior.stddev * fixed_noise(self.model, posterior.mean)
        if self.viewpoints is not None:
            code = reference.viewpoint_encoder(self.viewpoints[0, 0]).expand(*latents.shape[:2], -1)
            latents, start = reference.projector(torch.cat([latents, code], 2)), reference.initial.expand(SLOTS, -1)
        out = reference.refiner.decoder(latents.flatten(0, 1)).unflatten(0, latents.shape[:2])
        nll = -pixel_log_likelihood(self.image, out[:, :, :3], out[:, :, 3:]).sum((1, 2, 3))
        return nll + KL_WEIGHT * kl_divergence(posterior, posterior_of(start)).sum((1, 2))


def fixed_noise(self: SceneModel, tensor: Tensor) -> Tensor:
    """In place of `SceneModel.noise_like`: each latent has its own noise, the same at every iteration."""
    generator = torch.Generator().manual_seed(3)
    return torch.randn(tensor.shape[-2:], generator=generator, dtype=torch.float64).expand_as(tensor)


def pixel_log_likelihood(image: Tensor, means: Tensor, logits: Tensor) -> Tensor:
    """[N,1,H,W] of an image [1,3,H,W], RGB means [N,K,3,H,W] and mask logits [N,K,1,H,W]: a plain sum over slots."""
    densities = Normal(means, 0.1).log_prob(image.unsqueeze(1)).sum(2, keepdim=True).exp()
    return (torch.softmax(logits, 1) * densities).sum(1).log()


def normalised(x: Tensor) -> Tensor:
    """Each slot's entries [K,...] with mean 0 and variance 1, up to 1e-5 in the variance."""
    entries = x.flatten(1)
    entries = entries - entries.mean(1, keepdim=True)
    return (entries / (entries.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()).view_as(x)


def derivative(function, x: Tensor, direction: Tensor) -> Tensor:
    return (function(x + STEP * direction) - function(x - STEP * direction)) / (2 * STEP)


@pytest.fixture(params=CASES, ids=[case.model for case in CASES])
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(SceneModel, "noise_like", fixed_noise)
    model = request.param.build(scale=1.3).double()
    images, viewpoints = request.param.data(model, torch.float64)
    refinements: list[Refinement] = []
    model.refiner.network.register_forward_pre_hook(
        lambda _, inputs: refinements.append(Refinement(inputs[0].clone(), inputs[1].clone()))
    )
    # Images that the slots explain to some extent: the likelihood of far ones is 0 in a plain sum.
    with torch.no_grad():
        images = model.infer(images, viewpoints).reconstruction + 0.1 * (images - 0.5)
        refinements.clear()
        model.infer(images, viewpoints)
    assert len(refinements) == model.config.iterations - 1
    return Run(model, images[:, 0], viewpoints, refinements)


@torch.no_grad()
def test_gradients_by_the_posterior_are_finite_differences(run: Run) -> None:
    for refinement in run.refinements:
        directions = torch.eye(SLOTS * 2 * LATENTS, dtype=torch.float64).view(-1, SLOTS, 2 * LATENTS)
        gradient = derivative(run.objective, refinement.parameters, directions).view(SLOTS, 2 * LATENTS)
        torch.testing.assert_close(refinement.flat[:, 2 * LATENTS :], normalised(gradient), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_gradients_by_means_and_logits_are_finite_differences(run: Run) -> None:
    for refinement in run.refinements:
        decoded = refinement.spatial[:, [3, 4, 5, 7]]
        size = decoded.shape[-2:]

        def nll(x: Tensor) -> Tensor:
            return -pixel_log_likelihood(run.image, x[:, :, :3], x[:, :, 3:])

        # Pixels do not see one another: a number of each is varied at once.
        directions = torch.eye(SLOTS * 4, dtype=torch.float64).view(-1, SLOTS, 4, 1, 1).expand(-1, -1, -1, *size)
        gradient = derivative(nll, decoded[None], directions).view(SLOTS, 4, *size)
        torch.testing.assert_close(refinement.spatial[:, 9:12], normalised(gradient[:, :3]), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(refinement.spatial[:, 12:13], normalised(gradient[:, 3:]), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_likelihoods_are_sums_over_slots(run: Run) -> None:
    for refinement in run.refinements:
        means, masks, logits = refinement.spatial[:, 3:6], refinement.spatial[:, 6:7], refinement.spatial[:, 7:8]
        densities = Normal(means, 0.1).log_prob(run.image).sum(1, keepdim=True).exp()
        parts = masks * densities
        others = torch.stack([parts.sum(0) - part for part in parts]) / (1 - masks)
        torch.testing.assert_close(masks, torch.softmax(logits, 0))
        torch.testing.assert_close(refinement.spatial[:, 8:9], parts / parts.sum(0), rtol=1e-6, atol=1e-12)
        likelihood = parts.sum(0).log().expand_as(masks)
        torch.testing.assert_close(refinement.spatial[:, 13:14], normalised(likelihood), rtol=1e-6, atol=1e-9)
        assert (parts / parts.sum(0)).max() < 1 - 1e-6, "these inputs would not tell"
        torch.testing.assert_close(refinement.spatial[:, 14:15], normalised(others.log()), rtol=1e-4, atol=1e-6)


def test_the_image_and_coordinates_are_seen_as_they_are(run: Run) -> None:
    for refinement in run.refinements:
        size = refinement.spatial.shape[-1]
        torch.testing.assert_close(refinement.spatial[:, :3], run.image.expand(SLOTS, -1, -1, -1))
        line = torch.linspace(-1, 1, size, dtype=torch.float64)
        torch.testing.assert_close(refinement.spatial[:, 15], line.expand(SLOTS, size, size))
        torch.testing.assert_close(refinement.spatial[:, 16], line[:, None].expand(SLOTS, size, size))


@pytest.mark.parametrize("case", CASES, ids=[case.model for case in CASES])
def test_lds_counts_at_every_iteration_and_no_refinement_sees_it(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SceneModel, "noise_like", fixed_noise)
    totals, seen = [], []
    for weight in (0.0, 2.0):
        case = Case(case.model, {**case.settings, "lds_weight": weight}, batch=2)
        model = case.build().double()
        images, viewpoints = case.data(model, torch.float64)
        if viewpoints is not None:
            model.config.viewpoint_noise = 0.0
        flats: list[Tensor] = []
        model.refiner.network.register_forward_pre_hook(lambda _, inputs, flats=flats: flats.append(inputs[1]))
        totals.append(model.loss(images, viewpoints).total)
        seen.append(flats)
    for without, with_lds in zip(*seen, strict=True):
        torch.testing.assert_close(without, with_lds, rtol=0, atol=0)

    with torch.no_grad():
        last = model.infer(images, viewpoints)
    posteriors = [posterior_of(flat[:, : 2 * LATENTS].unflatten(0, (2, SLOTS))) for flat in seen[0]]
    posteriors.append(Normal(last.mean, last.std))
    noise = fixed_noise(model, last.mean)
    each = [_lds(posterior.mean + posterior.stddev * noise) for posterior in posteriors]
    weights = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64) / (3 if case.model == "iodine" else 6)
    torch.testing.assert_close(totals[0] - totals[1], 2.0 * (weights * torch.stack(each)).sum(), rtol=1e-8, atol=1e-8)


def _lds(latents: Tensor) -> Tensor:
    """Eq. 3 of the LDS paper, pair by pair; the batch's mean."""
    total = 0.0
    for scene in latents:
        for h in range(SLOTS):
            for j in set(range(SLOTS)) - {h}:
                cosine = scene[h] @ scene[j] / (scene[h].norm() * scene[j].norm())
                total = total - cosine.square() / (2 * 0.1**2) - math.log(0.1 * math.sqrt(2 * math.pi))
    return total / len(latents)
