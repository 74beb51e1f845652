"""The models as the literature writes them: what the fast paths must equal, and `lds bench train` compares with."""

from __future__ import annotations

from copy import deepcopy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lds_models.fused import InstanceNormReLU, ReLU
from lds_models.monet import MONet
from lds_models.networks import BroadcastDecoder, enlarge


class PlainBroadcastDecoder(nn.Module):
    """The spatial broadcast decoder step by step: repeat the latent over the grid, append coordinates, convolve."""

    def __init__(self, fast: BroadcastDecoder) -> None:
        super().__init__()
        self.patch = fast.patch
        self.register_buffer("coordinates", fast.coordinates.contiguous())
        channels, latent_dim = fast.from_latent.weight.shape
        self.first = nn.Conv2d(latent_dim + 2, channels, 3).to(fast.from_latent.weight)
        with torch.no_grad():
            self.first.weight[:, :latent_dim] = 0
            self.first.weight[:, :latent_dim, 1, 1] = fast.from_latent.weight
            self.first.weight[:, latent_dim:] = fast.from_coordinates.weight
            self.first.bias.copy_(fast.from_latent.bias)
        self.hidden, self.head = deepcopy(fast.hidden), deepcopy(fast.head)

    def forward(self, latents: Tensor) -> Tensor:
        grid = self.coordinates.shape[-1]
        broadcast = latents[:, :, None, None].expand(-1, -1, grid, grid)
        x = torch.cat([broadcast, self.coordinates.expand(len(latents), -1, -1, -1)], dim=1)
        return enlarge(self.head(self.hidden(F.relu(self.first(x)))), self.patch)


class PlainInstanceNormReLU(nn.Module):
    """PyTorch's own layers one after another."""

    def __init__(self, fast: InstanceNormReLU) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm2d(len(fast.weight), eps=fast.eps, affine=True).to(fast.weight)
        self.norm.load_state_dict(fast.state_dict())

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(x))


def plain(model: MONet) -> MONet:
    """A copy of the model that computes the same by the plain formulation, in PyTorch's default memory layout."""
    copy = deepcopy(model)
    copy.decoder = PlainBroadcastDecoder(copy.decoder)
    for module in list(copy.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, InstanceNormReLU):
                setattr(module, name, PlainInstanceNormReLU(child))
            elif isinstance(child, ReLU):
                setattr(module, name, nn.ReLU())
    return copy.to(memory_format=torch.contiguous_format)
