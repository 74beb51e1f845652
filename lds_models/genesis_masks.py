"""The autoregressive distributions of GENESIS's mask latents, and how their logits become masks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lds_models.networks import positive_std


class MaskPosterior(nn.Module):
    """q(z_k | image, z_<k) of mask latents z: an LSTM that sees the image's features and the latent before."""

    def __init__(self, features: int, latent_dim: int) -> None:
        super().__init__()
        self.first = nn.Linear(features, 2 * latent_dim)
        self.cell = nn.LSTMCell(features + latent_dim, 2 * latent_dim)
        self.head = nn.Linear(2 * latent_dim, 2 * latent_dim)

    def forward(self, features: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Samples and their standard deviations [B,K,D], of features [B,F] and standard normal noise [B,K,D]."""
        samples: list[Tensor] = []
        stds: list[Tensor] = []
        state, out = None, self.first(features)
        for step in noise.unbind(1):
            if samples:
                state = self.cell(torch.cat([features, samples[-1]], dim=1), state)
                out = self.head(state[0])
            mean, raw = out.chunk(2, dim=-1)
            stds.append(positive_std(raw))
            samples.append(mean + stds[-1] * step)
        return torch.stack(samples, dim=1), torch.stack(stds, dim=1)


class MaskPrior(nn.Module):
    """p(z_k | z_<k) of mask latents z: an LSTM over the latents before; standard normal for the first."""

    def __init__(self, latent_dim: int, hidden: int = 256) -> None:
        super().__init__()
        self.lstm = nn.LSTM(latent_dim, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 2 * latent_dim)

    def forward(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Means and standard deviations [B,K,D] of latents [B,K,D]."""
        mean, std = bounded_normal(self.head(self.lstm(latents[:, :-1])[0]))
        first = torch.zeros_like(latents[:, :1])
        return torch.cat([first, mean], dim=1), torch.cat([first + 1, std], dim=1)


def bounded_normal(out: Tensor) -> tuple[Tensor, Tensor]:
    """Mean in (-1, 1) and standard deviation in (0.0001, 1.0001), [...,D] each, of a learned prior's output [...,2D].

    The deviation starts near 1 and cannot reach 0, where the prior would be a point.
    """
    mean, raw = out.chunk(2, dim=-1)
    return mean.tanh(), (raw + 4).sigmoid() + 1e-4


def stick_breaking(logits: Tensor) -> Tensor:
    """Log masks [B,K,1,H,W] of logits [B,K-1,1,H,W]: each takes its share of what those before left (GENESIS, eq. 3).

    They sum to 1 over K: the last takes the rest.
    """
    log_taken = F.logsigmoid(logits)
    log_left = (log_taken - logits).cumsum(1)  # log(1 - sigmoid(x)) = log sigmoid(x) - x
    nothing_taken = torch.zeros_like(logits[:, :1])
    return torch.cat([log_taken, nothing_taken], dim=1) + torch.cat([nothing_taken, log_left], dim=1)
