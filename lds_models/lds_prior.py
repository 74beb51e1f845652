"""Latent duplicate suppression (LDS): the differentiable prior of Li & Fisher, BMVC 2021, section 3.2."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lds_models.precision import wide


def cosine_similarity_matrix(latents: Tensor) -> Tensor:
    """S [B,K,K], the cosine similarity of every two of a scene's K latents [B,K,D]. Computed in float32 or better."""
    with torch.autocast(latents.device.type, enabled=False):
        unit = F.normalize(wide(latents), dim=-1)
        return unit @ unit.transpose(1, 2)


def lds_prior(latents: Tensor, std: float = 0.1) -> Tensor:
    """The LDS log prior of each scene, [B] in nats: sum over ordered pairs h != j of log N(S_hj; 0, std^2) (eq. 3).

    Args:
        latents: [B,K,D].
        std: the paper's sigma, how much similarity counts as none.
    """
    similarity = cosine_similarity_matrix(latents)
    slots = latents.shape[1]
    # The diagonal is 1 only up to rounding, and a zero latent's is 0: take it out, do not subtract it.
    off_diagonal = ~torch.eye(slots, dtype=torch.bool, device=latents.device)
    squares = (similarity.square() * off_diagonal).sum((1, 2))
    return -squares / (2 * std**2) - slots * (slots - 1) * (math.log(std) + 0.5 * math.log(2 * math.pi))


@dataclass
class LDSConfig:
    """The settings of LDS that every model's config has. The defaults are the paper's, without LDS."""

    lds_weight: float = 0.0  # lambda of eq. 4; 0 is the model without LDS
    lds_std: float = 0.1
    lds_on: str = "sample"


class LDS(nn.Module):
    """The LDS log prior of a model's posteriors, as its config says.

    Raises:
        ValueError: a setting does not do.
    """

    def __init__(self, config: LDSConfig, latent_dim: int) -> None:
        super().__init__()
        if config.lds_on not in ("sample", "mean"):
            raise ValueError(f"lds_on must be sample or mean, got '{config.lds_on}'")
        self.config = config

    def forward(self, mean: Tensor, std: Tensor, sample: Tensor, log_masks: Tensor) -> Tensor:
        """The log prior [B], nats, of posterior mean, std and one sample [B,K,D], and log masks [B,V,K,1,H,W]."""
        return lds_prior(sample if self.config.lds_on == "sample" else mean, self.config.lds_std)
