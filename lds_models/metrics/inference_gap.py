"""The inference gap: how far the posterior that a model infers is from the true one (LDS paper, section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

GAP_SAMPLES = 500  # B of the paper's equation 6


@dataclass(frozen=True)
class Evidence:
    """Estimates from weights log p(x, z) - log q(z | x) of B posterior samples of N images or scenes, float64 [N].

    Attributes:
        elbo: E_q[log p(x, z) - log q(z | x)], nats.
        log_evidence: log p(x) by importance weighting (Burda et al. 2016, eq. 8), nats. exp of it is unbiased; itself
            it is too low on average, the less so the more samples (its theorem 1).
        effective_samples: (sum w)^2 / sum w^2, from 1 to B (Kong 1992). Near 1, one sample outweighs all others; log
            p(x) and with it the gap are then lower bounds that may be far too low.
    """

    elbo: np.ndarray
    log_evidence: np.ndarray
    effective_samples: np.ndarray

    @property
    def gap(self) -> np.ndarray:
        """G of the paper's equation 6, an estimate of KL(q(z | x) || p(z | x)) in nats; never below 0.

        Both terms are of the same samples: the gap of an image is log mean w - mean log w.
        """
        return self.log_evidence - self.elbo


def evidence(log_weights: np.ndarray) -> Evidence:
    """What weights [N,B] in nats say, in float64."""
    log_weights = np.asarray(log_weights, np.float64)
    log_total = logsumexp(log_weights, axis=1)
    return Evidence(
        elbo=log_weights.mean(1),
        log_evidence=log_total - np.log(log_weights.shape[1]),
        effective_samples=np.exp(2 * log_total - logsumexp(2 * log_weights, axis=1)),
    )
