"""The inference gap of datasets, for a model whose log p(x) is known, and for one that sees several views."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from colour_scenes import ColourModel, packed_orbits, packed_squares
from fidelity import SMALL, Case
from torch import Tensor
from torch.distributions import LowRankMultivariateNormal, Normal

from lds_models.evaluation import evaluate, with_inference_gap
from lds_models.explainer import Explainer, OutputError
from lds_models.log_weights import gaussian_log_weights
from lds_models.metrics.statistics import bootstrap_mean
from lds_models.registry import build_model

SIZE, STD = 16, 0.5


class LinearGaussian(ColourModel):
    """x = W z + noise: of two slots with two latents each, the true posterior is known, and q is off from it."""

    def __init__(self, shift: float = 0.2) -> None:
        super().__init__(image_size=SIZE)
        W, _ = torch.linalg.qr(torch.randn(3 * SIZE**2, 4, generator=torch.Generator().manual_seed(0)))
        self.W, self.shift, self.largest = W, shift, 0

    def log_weights(self, images: Tensor, viewpoints: Tensor | None = None):
        x = images.flatten(1)
        variance = torch.tensor(1 / (1 + 1 / STD**2))  # the columns of W are orthonormal
        mean = (variance / STD**2 * x @ self.W + self.shift).view(-1, 2, 2)

        def log_likelihood(latents: Tensor, samples: int) -> Tensor:
            self.largest = max(self.largest, len(latents))
            means = (latents.flatten(1) @ self.W.T).double()
            return Normal(means, STD, validate_args=False).log_prob(x.repeat_interleave(samples, 0).double()).sum(1)

        posterior, prior = (mean, variance.sqrt().expand_as(mean)), (torch.zeros_like(mean), torch.ones_like(mean))
        return gaussian_log_weights(self.noise_like, posterior, prior, log_likelihood)

    def log_p(self, images: np.ndarray) -> np.ndarray:
        """Of images [N,H,W,3]."""
        x = torch.from_numpy(images).permute(0, 3, 1, 2).flatten(1).double() / 255
        zeros, variances = torch.zeros_like(x[0]), torch.full_like(x[0], STD**2)
        marginal = LowRankMultivariateNormal(zeros, self.W.double(), variances)
        return marginal.log_prob(x).numpy()

    @property
    def kl(self) -> float:
        """From the true posterior to q, whatever the image."""
        return 0.5 * 4 * self.shift**2 * (1 + 1 / STD**2)


def measured(model, packed, samples: int, batch_size: int = 4, seed: int = 0, **options):
    explainer = Explainer(model, packed, batch_size, seed=seed, **options)
    return with_inference_gap(evaluate(model, packed, batch_size, seed=seed, **options), explainer, samples)


def test_elbo_evidence_and_gap_of_every_image_are_the_known_ones():
    model, packed = LinearGaussian(), packed_squares(scenes=2, views=3, size=SIZE)
    evaluation = measured(model, packed, samples=8_000, batch_size=1_200)
    log_p = model.log_p(packed.images)
    assert np.ptp(log_p) > 1
    assert evaluation.rows["log_evidence"] == pytest.approx(log_p, abs=0.05)
    assert evaluation.rows["elbo"] == pytest.approx(log_p - model.kl, abs=0.05)
    assert evaluation.rows["inference_gap"] == pytest.approx(np.full(6, model.kl), abs=0.1)
    assert model.kl == pytest.approx(0.4)
    gaps, scenes = evaluation.rows["inference_gap"], evaluation.rows["scene"]
    assert evaluation.metrics["inference_gap"] == bootstrap_mean(gaps, 0, scenes)
    assert list(evaluation.measures) == list(evaluation.metrics)


def test_where_the_posterior_is_the_true_one_there_is_no_gap():
    model, packed = LinearGaussian(shift=0), packed_squares(scenes=2, views=2, size=SIZE)
    evaluation = measured(model, packed, samples=3)
    assert evaluation.rows["inference_gap"] == pytest.approx(np.zeros(4), abs=1e-4)
    assert evaluation.rows["log_evidence"] == pytest.approx(model.log_p(packed.images), abs=1e-3)


def test_no_more_images_are_decoded_at_once_than_a_batch_has():
    model, packed = LinearGaussian(), packed_squares(scenes=2, views=3, size=SIZE)
    measured(model, packed, samples=50, batch_size=4)
    assert model.largest == 4  # the last batch of two images takes two samples at a time


def test_the_same_seed_gives_the_same_gap_and_leaves_the_random_state_alone():
    packed, state = packed_squares(scenes=1, views=3, size=SIZE), torch.random.get_rng_state()
    first, second, other = (measured(LinearGaussian(), packed, 10, seed=seed).rows["elbo"] for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert (first == second).all() and (first != other).all()


def test_progress_adds_up_to_all_samples_of_all_images():
    packed, done = packed_squares(scenes=1, views=6, size=SIZE), []
    explainer = Explainer(LinearGaussian(), packed, 4)
    with_inference_gap(evaluate(LinearGaussian(), packed), explainer, 7, done.append)
    assert sum(done) == 7 * 6 and max(done) == 4


def test_densities_that_are_not_finite_are_one_clear_error():
    model, packed = LinearGaussian(), packed_squares(scenes=1, views=2, size=SIZE)
    model.W = model.W * torch.nan
    with pytest.raises(OutputError, match="log densities of images 0 to 1 are not finite.*damaged"):
        Explainer(model, packed).log_weights(0, 2, lambda images: None)


@pytest.mark.parametrize("model", SMALL)
def test_every_model_has_a_gap(model):
    packed = packed_orbits(scenes=2, views=2, size=SIZE)
    small = Case(model, {"image_size": SIZE}).build().train()
    evaluation = measured(small, packed, 5)
    assert (evaluation.rows["inference_gap"] > 0).all()
    assert ((evaluation.rows["effective_samples"] >= 1) & (evaluation.rows["effective_samples"] <= 5)).all()


def tiny_mulmon():
    torch.manual_seed(0)
    settings = {"num_slots": 3, "latent_dim": 4, "iterations": 2, "decoder_channels": 8, "hidden": 8}
    return build_model({"name": "mulmon", "image_size": SIZE, **settings})


def test_a_multi_view_model_has_one_gap_a_scene_of_the_views_that_it_observes():
    packed = packed_orbits(scenes=3, views=5, size=SIZE)
    evaluation = measured(tiny_mulmon(), packed, 4, batch_size=6, observe=2)
    gaps = evaluation.rows["inference_gap"].reshape(3, 5)
    assert (gaps == gaps[:, :1]).all() and len(np.unique(gaps)) == 3
    assert evaluation.metrics["inference_gap"] == bootstrap_mean(gaps[:, 0], 0)
    unseen = evaluation.rows["observed"] == 0
    packed.images[unseen] = 255 - packed.images[unseen]
    same = measured(tiny_mulmon(), packed, 4, batch_size=6, observe=2)
    assert (same.rows["elbo"] == evaluation.rows["elbo"]).all()
    packed.images[:] = 255 - packed.images
    other = measured(tiny_mulmon(), packed, 4, batch_size=6, observe=2)
    assert (other.rows["elbo"] != evaluation.rows["elbo"]).all()


def test_samples_that_are_decoded_together_change_nothing():
    packed = packed_orbits(scenes=2, views=4, size=SIZE)
    weights = []
    for batch_size, at_once in ((8, 2), (1000, 250)):
        explainer = Explainer(tiny_mulmon(), packed.select(slice(0, 4), packed.first_view[:2]), batch_size, observe=4)
        assert explainer.samples_at_once(0) == at_once
        weights.append(explainer.log_weights(0, 7, lambda images: None))
    assert weights[0].shape == (1, 7) and weights[0].dtype == np.float64
    assert weights[0] == pytest.approx(weights[1], rel=1e-6)
