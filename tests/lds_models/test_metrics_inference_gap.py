"""The estimator on linear-Gaussian models, z ~ N(0, I) and x ~ N(Wz + b, s^2 I), where log p(x) and KLs are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from lds_models.metrics.inference_gap import evidence


class LinearGaussian:
    """One observation x of 6 numbers, and a posterior over 3 latents that is off by `shift` and `stretch`."""

    def __init__(self, shift: float = 0.0, stretch: float = 1.0, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        W, _ = torch.linalg.qr(torch.randn(6, 3, generator=generator, dtype=torch.float64))
        W, b, s = W * torch.tensor([0.5, 1.0, 1.5]), torch.randn(6, generator=generator).double(), 0.7
        self.x = b + torch.randn(6, generator=generator).double()
        # Columns of W are orthogonal: the true posterior's covariance is diagonal, and q can be it.
        variance = 1 / (1 + W.square().sum(0) / s**2)
        mean = variance * (W.T @ (self.x - b)) / s**2
        self.likelihood = lambda z: Independent(Normal(z @ W.T + b, s), 1).log_prob(self.x)
        self.prior = Independent(Normal(torch.zeros_like(mean), 1.0), 1)
        self.posterior = Independent(Normal(mean, variance.sqrt()), 1)
        self.q = Independent(Normal(mean + shift, variance.sqrt() * stretch), 1)
        marginal = MultivariateNormal(b, W @ W.T + s**2 * torch.eye(6, dtype=torch.float64))
        self.log_p = marginal.log_prob(self.x).item()
        self.kl = kl_divergence(self.q, self.posterior).item()

    def log_weights(self, estimates: int, samples: int, seed: int = 0) -> np.ndarray:
        """[estimates,samples]."""
        torch.manual_seed(seed)
        z = self.q.sample((estimates, samples))
        return (self.likelihood(z) + self.prior.log_prob(z) - self.q.log_prob(z)).numpy()


OFF = LinearGaussian(shift=0.3, stretch=1.3)


def test_where_the_posterior_is_the_true_one_every_sample_tells_log_p_and_there_is_no_gap():
    exact = LinearGaussian()
    found = evidence(exact.log_weights(5, 7))
    assert exact.kl == pytest.approx(0, abs=1e-12)
    assert found.log_evidence == pytest.approx(np.full(5, exact.log_p), abs=1e-10)
    assert found.elbo == pytest.approx(np.full(5, exact.log_p), abs=1e-10)
    assert found.gap == pytest.approx(np.zeros(5), abs=1e-10)
    assert found.effective_samples == pytest.approx(np.full(5, 7.0))


def test_log_evidence_converges_to_log_p_and_the_gap_to_the_kl():
    errors = [
        np.abs(evidence(OFF.log_weights(200, samples)).log_evidence - OFF.log_p).mean() for samples in (5, 50, 500)
    ]
    assert errors[0] > 2 * errors[1] > 4 * errors[2]
    many = evidence(OFF.log_weights(1, 400_000))
    assert many.log_evidence == pytest.approx(OFF.log_p, abs=0.01)
    assert many.gap == pytest.approx(OFF.kl, abs=0.01) and OFF.kl > 0.2


def test_the_elbo_is_log_p_minus_the_kl():
    weights = OFF.log_weights(1, 400_000)
    standard_error = weights.std() / np.sqrt(weights.size)
    assert standard_error < 0.003
    assert evidence(weights).elbo == pytest.approx(OFF.log_p - OFF.kl, abs=4 * standard_error)


@pytest.mark.parametrize("samples", [1, 4, 20])
def test_exp_of_the_log_evidence_is_unbiased_and_itself_it_is_too_low(samples):
    found = evidence(OFF.log_weights(30_000, samples)).log_evidence - OFF.log_p
    ratio = np.exp(found)
    assert ratio.mean() == pytest.approx(1, abs=4 * ratio.std() / np.sqrt(len(ratio)))
    assert found.mean() < -4 * found.std() / np.sqrt(len(found))


def test_the_gap_is_never_negative_and_lies_between_0_and_the_kl_on_average():
    for samples in (2, 10, 100):
        gap = evidence(OFF.log_weights(2_000, samples)).gap
        assert gap.min() >= 0
        assert 0 < gap.mean() < OFF.kl


def test_weights_far_beyond_what_exp_can_hold_are_fine():
    weights = OFF.log_weights(3, 50)
    near, far = evidence(weights), evidence(weights + 15_000)
    assert far.log_evidence == pytest.approx(near.log_evidence + 15_000, abs=1e-8)
    assert far.gap == pytest.approx(near.gap, abs=1e-8)
    assert far.effective_samples == pytest.approx(near.effective_samples)


def test_one_sample_that_outweighs_all_others_is_told_by_the_effective_samples():
    weights = np.zeros((2, 100))
    weights[1, 17] = 50
    assert evidence(weights).effective_samples == pytest.approx([100, 1])
