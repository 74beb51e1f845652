"""The networks that the models are made of, beside the decoder: attention U-Net and encoders.

`patch` > 1 lets a network work on patch x patch blocks of pixels (space-to-depth in, bilinear upsampling out): the same
resolution in and out at 1 / patch^2 of the positions. The published networks have patch 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lds_models.fused import Activation, InstanceNormReLU, halved, join
from lds_models.precision import wide

ALPHAS = {"relu": 0.0, "elu": 1.0}  # ReLU is an ELU that ends at 0


class ConvNormReLU(nn.Sequential):
    """3x3 convolution without bias, instance normalisation with learned scale and shift, ReLU (MONet, appendix B.2)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            InstanceNormReLU(outputs),
        )


def enlarge(x: Tensor, factor: int) -> Tensor:
    """Upsample [B,C,H,W] bilinearly. Of mask logits: the sigmoid after it keeps edges sharp, between pixels too."""
    return x if factor == 1 else F.interpolate(x, scale_factor=float(factor), mode="bilinear", align_corners=False)


class UNet(nn.Module):
    """MONet's attention U-Net (Burgess et al. 2019, appendix B.2): [B,C,H,W] -> [B,1,H,W], logits.

    Five blocks down and up at 64 pixels, halving to a 4x4 grid in the middle, where a small MLP sees the whole image.
    """

    def __init__(self, inputs: int, size: int, channels: int = 32, patch: int = 1) -> None:
        super().__init__()
        grid = size // patch
        blocks = grid.bit_length() - 2  # the last block is at 4x4
        if grid != 4 * 2 ** (blocks - 1) or grid * patch != size:
            raise ValueError(f"image size {size} over patch {patch} must be a power of two, 8 or more")
        widths = [channels] * 2 + [2 * channels] * (blocks - 2)
        self.patch = patch
        self.down = nn.ModuleList(
            ConvNormReLU(before, after) for before, after in zip([inputs * patch**2, *widths[:-1]], widths, strict=True)
        )
        ups = widths[::-1]
        self.up = nn.ModuleList(
            ConvNormReLU(2 * before, after) for before, after in zip(ups, [*ups[1:], channels], strict=True)
        )
        middle = 16 * widths[-1]
        self.middle = nn.Sequential(
            nn.Linear(middle, 128), nn.ReLU(inplace=True), nn.Linear(128, 128), nn.ReLU(inplace=True),
            nn.Linear(128, middle), nn.ReLU(inplace=True),
        )  # fmt: skip
        self.head = nn.Conv2d(channels, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pixel_unshuffle(x, self.patch) if self.patch > 1 else x
        skips = []
        for block in self.down[:-1]:
            skip, x = halved(block(x))
            skips.append(skip)
        x = self.down[-1](x)
        skips.append(x)
        batch, width, height, _ = x.shape
        x = self.middle(x.permute(0, 2, 3, 1).reshape(batch, -1)).view(batch, height, height, width).permute(0, 3, 1, 2)
        for block, skip in zip(self.up, reversed(skips), strict=True):
            x = block(join(x, skip))
        return enlarge(self.head(x), self.patch)


def strided_convolutions(widths: Sequence[int], activation: str) -> list[nn.Module]:
    """3x3 convolutions from each width to the next, each halving the image, with relu or elu after each."""
    layers: list[nn.Module] = []
    for before, after in zip(widths[:-1], widths[1:], strict=True):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), Activation(ALPHAS[activation])]
    return layers


def positive_std(raw: Tensor) -> Tensor:
    """A posterior's standard deviation from what a network puts out: near 1 to begin with, never 0."""
    return F.softplus(raw + 0.5) + 1e-8


class ComponentEncoder(nn.Module):
    """MONet's component encoder (appendix B.1): image and log mask [B,4,H,W] -> posterior mean and std, [B,D] each."""

    def __init__(self, size: int, latent_dim: int, activation: str = "relu") -> None:
        super().__init__()
        if size < 16:
            raise ValueError(f"image size {size} must be 16 or more, which four convolutions halve")
        widths = (4, 32, 32, 64, 64)
        self.convolutions = nn.Sequential(*strided_convolutions(widths, activation))
        self.head = nn.Sequential(
            nn.Linear(widths[-1] * (size // 16) ** 2, 256),
            nn.ELU(inplace=True) if activation == "elu" else nn.ReLU(inplace=True),
            nn.Linear(256, 2 * latent_dim),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.convolutions(x).permute(0, 2, 3, 1).flatten(1)
        mean, raw = wide(self.head(features)).chunk(2, dim=-1)
        return mean, positive_std(raw)

    def slots(self, image: Tensor, log_masks: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior mean and std [B,K,D] of what an image [B,3,H,W] shows within log masks [B,K,1,H,W]."""
        batch, slots = log_masks.shape[:2]
        repeated = image.unsqueeze(1).expand(-1, slots, -1, -1, -1)
        inputs = torch.cat([repeated, log_masks], dim=2).flatten(0, 1).contiguous(memory_format=torch.channels_last)
        mean, std = self(inputs)
        return mean.view(batch, slots, -1), std.view(batch, slots, -1)


class StridedEncoder(nn.Sequential):
    """MulMON's encoder of refinement inputs: [N,C,H,W] -> [N,features]."""

    def __init__(
        self, inputs: int, size: int, features: int, widths: tuple[int, ...] = (32, 32, 64, 64), hidden: int = 256
    ) -> None:
        layers = strided_convolutions((inputs, *widths), "relu")
        flat = widths[-1] * (size // 2 ** len(widths)) ** 2
        super().__init__(
            *layers, nn.Flatten(), nn.Linear(flat, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, features)
        )


class PoolingEncoder(nn.Sequential):
    """IODINE's encoder of refinement inputs (its appendix B.2): [N,C,H,W] -> [N,features], whatever the image size."""

    def __init__(self, inputs: int, channels: int, features: int, layers: int = 4) -> None:
        convolutions = strided_convolutions([inputs] + [channels] * layers, "elu")
        super().__init__(
            *convolutions, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, features), nn.ELU(inplace=True)
        )
