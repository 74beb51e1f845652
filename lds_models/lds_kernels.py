"""Kernels: how similar two slots of a scene are. The paper's is the cosine; the others are ours (docs/lds.md)."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lds_models.precision import wide


def cosine_similarity_matrix(latents: Tensor) -> Tensor:
    """S [B,K,K], the cosine similarity of every two of a scene's K latents [B,K,D]. Computed in float32 or better."""
    with torch.autocast(latents.device.type, enabled=False):
        unit = F.normalize(wide(latents), dim=-1)
        return unit @ unit.transpose(1, 2)


def gaussian_similarity_matrix(points: Tensor) -> Tensor:
    """S [B,K,K], S_hj = exp(-||p_h - p_j||^2 / 2), of a scene's K points [B,K,F]. Computed in float32 or better."""
    points = wide(points)
    # By differences, not by torch.cdist: where two points coincide, the gradient of a distance is not defined.
    differences = points.unsqueeze(2) - points.unsqueeze(1)
    return torch.exp(-0.5 * differences.square().sum(-1))


class Kernel(nn.Module, ABC):
    """The similarity of every two of a scene's slots.

    Attributes:
        compares: what of the slots' posteriors it can be computed on, the default first: sample, mean, posterior
            (mean and standard deviation).
    """

    compares: tuple[str, ...]

    def __init__(self, latent_dim: int, length_scale: float) -> None:
        super().__init__()
        self.latent_dim, self.length_scale = latent_dim, length_scale

    @abstractmethod
    def forward(self, latents: Tensor, std: Tensor) -> Tensor:
        """S [B,K,K] of the slots' latents (samples or means) and their posteriors' std, both [B,K,D]."""


class Cosine(Kernel):
    """The paper's: the cosine of the angle between two latents, in [-1,1]. Has no length scale."""

    compares = ("sample", "mean")

    def forward(self, latents: Tensor, std: Tensor) -> Tensor:
        return cosine_similarity_matrix(latents)


class RBF(Kernel):
    """exp(-||z_h - z_j||^2 / (2 D l^2)), in [0,1]: the length scale l is a difference per dimension.

    Two independent draws from the unit prior are 2 D apart in squared distance on average, whatever D is.
    """

    compares = ("mean", "sample")

    def forward(self, latents: Tensor, std: Tensor) -> Tensor:
        return gaussian_similarity_matrix(wide(latents) / (self.length_scale * math.sqrt(self.latent_dim)))


class Wasserstein(Kernel):
    """exp(-W^2 / (2 D l^2)), in [0,1], with W the 2-Wasserstein distance between two posteriors.

    For diagonal Gaussians W^2 = ||mean_h - mean_j||^2 + ||std_h - std_j||^2 (Dowson & Landau 1982): the Euclidean
    distance between means and standard deviations taken together.
    """

    compares = ("posterior",)

    def forward(self, latents: Tensor, std: Tensor) -> Tensor:
        posterior = torch.cat([wide(latents), wide(std)], dim=-1)
        return gaussian_similarity_matrix(posterior / (self.length_scale * math.sqrt(self.latent_dim)))


class Mahalanobis(Kernel):
    """exp(-sum_d w_d (z_hd - z_jd)^2 / (2 D l^2)), in [0,1], with a learned weight w_d >= 0 for each dimension.

    LDS rewards dissimilarity, so free weights would grow without end and every two slots would count as different.
    Therefore w = D softmax(logits): the weights sum to D always, and only their shares are learned. No weights make
    S_hj smaller than exp(-max_d (z_hd - z_jd)^2 / (2 l^2)), so that slots which agree in all dimensions stay similar.
    All weights start at 1, where this is the RBF kernel.
    """

    compares = ("mean", "sample")

    def __init__(self, latent_dim: int, length_scale: float) -> None:
        super().__init__(latent_dim, length_scale)
        self.logits = nn.Parameter(torch.zeros(latent_dim))

    @property
    def weights(self) -> Tensor:
        """w [D]; they sum to D."""
        return self.latent_dim * wide(self.logits).softmax(0)

    def forward(self, latents: Tensor, std: Tensor) -> Tensor:
        # Weighted before squaring: the square of a huge difference is inf, which no weight's gradient survives.
        scale = (0.5 * wide(self.logits).log_softmax(0)).exp() / self.length_scale
        return gaussian_similarity_matrix(wide(latents) * scale)


KERNELS: dict[str, type[Kernel]] = {
    "cosine": Cosine,
    "rbf": RBF,
    "wasserstein": Wasserstein,
    "mahalanobis": Mahalanobis,
}
