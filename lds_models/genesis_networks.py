"""The gated convolutional networks of GENESIS's masks (Sylvester flows, van den Berg et al. 2018): image to features,
mask latent to mask logits. A gated layer puts out half of its channels times the sigmoid of the other half.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lds_models.genesis_norm import BatchNorm
from lds_models.networks import enlarge

FEATURES = 256


def strides(size: int) -> tuple[int, ...]:
    """The encoder's strides for images [size,size]; the decoder reverses them. Raises ValueError for other sizes."""
    if size in (16, 32, 64):
        return (1, 2, 1, 2, 1)
    if size in (128, 256):
        return (2, 2, 2, 1, 1) if size == 128 else (2, 2, 2, 2, 1)
    raise ValueError(f"image size over patch must be 16, 32, 64, 128 or 256, got {size}")


def gate(x: Tensor) -> Tensor:
    """[B,2C,H,W] -> [B,C,H,W], laid out channels last."""
    content, opening = x.permute(0, 2, 3, 1).chunk(2, dim=-1)
    # The copy is what makes the sigmoid fast: over short rows of C, as in F.glu, it takes six times as long.
    return (content * opening.contiguous().sigmoid_()).permute(0, 3, 1, 2)


def start_transposed(weight: Tensor, fan: int) -> None:
    """Start a transposed convolution as PyTorch does: `fan` is its outputs times the positions of its kernel."""
    nn.init.uniform_(weight, -(fan**-0.5), fan**-0.5)


class GatedConvolution(nn.Sequential):
    """5x5 convolution, or transposed convolution where `up`, batch normalisation, gate."""

    def __init__(self, inputs: int, outputs: int, stride: int, up: bool = False) -> None:
        # Without bias: the normalisation takes it out. A transposed convolution of stride 1 is a convolution.
        layer: nn.Conv2d | nn.ConvTranspose2d
        if up and stride > 1:
            layer = nn.ConvTranspose2d(inputs, 2 * outputs, 5, stride, 2, stride - 1, bias=False)
        else:
            layer = nn.Conv2d(inputs, 2 * outputs, 5, stride, 2, bias=False)
        if up:
            start_transposed(layer.weight, 25 * 2 * outputs)
        super().__init__(layer, BatchNorm(2 * outputs))

    def forward(self, x: Tensor) -> Tensor:
        return gate(super().forward(x))


class MaskEncoder(nn.Module):
    """Images [B,3,H,W] -> features [B,256]."""

    def __init__(self, size: int, patch: int = 1) -> None:
        super().__init__()
        self.patch = patch
        steps = strides(size // patch)
        grid = size // patch // math.prod(steps)
        widths = [3 * patch**2, 32, 32, 64, 64, 64]
        self.convolutions = nn.Sequential(*map(GatedConvolution, widths, widths[1:], steps))
        self.head = nn.Sequential(nn.Linear(64 * grid**2, 2 * FEATURES), nn.GLU())

    def forward(self, image: Tensor) -> Tensor:
        x = F.pixel_unshuffle(image, self.patch) if self.patch > 1 else image
        return self.head(self.convolutions(x).permute(0, 2, 3, 1).flatten(1))


class MaskDecoder(nn.Module):
    """Mask latents [B,D] -> logits [B,1,H,W]."""

    def __init__(self, latent_dim: int, size: int, patch: int = 1) -> None:
        super().__init__()
        self.patch = patch
        steps = strides(size // patch)[::-1]
        self.grid = size // patch // math.prod(steps)
        # A transposed convolution from one pixel to the grid: a matrix for each place, a bias for each channel.
        self.from_latent = nn.Linear(latent_dim, self.grid**2 * 128, bias=False)
        self.bias = nn.Parameter(torch.zeros(128))
        start_transposed(self.from_latent.weight, self.grid**2 * 128)
        widths = [64, 64, 32, 32, 32, 32]
        layers = zip(widths, widths[1:], steps, strict=False)
        self.convolutions = nn.Sequential(*(GatedConvolution(*layer, up=True) for layer in layers))
        self.head = nn.Conv2d(32, 1, 1)

    def forward(self, latents: Tensor) -> Tensor:
        x = self.from_latent(latents).view(-1, self.grid, self.grid, 128)
        x = gate((x + self.bias.to(x.dtype)).permute(0, 3, 1, 2))
        return enlarge(self.head(self.convolutions(x)), self.patch)
