"""GECO (Rezende & Viola 2018, arXiv:1810.00597): the KL's weight, set so that reconstructions reach a goal."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lds_models.genesis_norm import over_processes


class GECO(nn.Module):
    """The weight beta of the KL, a Lagrange multiplier for the constraint nll <= goal, from beta = 1 on.

    Each training step multiplies it by exp(rate * (goal - average nll)), with `speedup` times the rate while the goal
    is met. The nll is that of the whole batch, in every process, so that beta is the same in all of them; a beta for
    each process's part would be another objective. Its state is in buffers: checkpoints carry it.
    """

    weight: Tensor
    average: Tensor
    updates: Tensor

    def __init__(self, goal: float, rate: float, speedup: float, decay: float = 0.99) -> None:
        super().__init__()
        self.goal, self.rate, self.speedup, self.decay = goal, rate, speedup, decay
        self.register_buffer("weight", torch.tensor(1.0))
        self.register_buffer("average", torch.tensor(0.0))
        self.register_buffer("updates", torch.tensor(0))

    def forward(self, nll: Tensor) -> Tensor:
        """The weight for a step whose loss has this nll (nats); in training, the next step's follows from it."""
        weight = self.weight.clone()
        if self.training:
            self._update(over_processes(nll.detach()).mean())
        return weight

    @torch.no_grad()
    def _update(self, nll: Tensor) -> None:
        self.average.copy_(torch.where(self.updates == 0, nll, torch.lerp(nll, self.average, self.decay)))
        self.updates += 1
        room = self.goal - self.average
        speedup = torch.where(room > 0, self.speedup, 1.0)
        self.weight.mul_((self.rate * speedup * room).exp()).clamp_(1e-10, 1e10)
