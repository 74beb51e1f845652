"""The networks as the literature writes them, from the parameters of the fast ones and under the same names."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Normal

from lds_models.decoder import BroadcastDecoder
from lds_models.fused import Activation, InstanceNormReLU
from lds_models.networks import ComponentEncoder, UNet


class PlainInstanceNormReLU(nn.InstanceNorm2d):
    """PyTorch's own layers one after another."""

    def __init__(self, fast: InstanceNormReLU) -> None:
        super().__init__(len(fast.weight), eps=fast.eps)
        self.weight, self.bias = fast.weight, fast.bias

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(super().forward(x))


def plain_layers(module: nn.Module) -> None:
    """Put PyTorch's own layers in place of the fused ones, in a module and all within."""
    for name, child in list(module.named_children()):
        if isinstance(child, InstanceNormReLU):
            setattr(module, name, PlainInstanceNormReLU(child))
        elif isinstance(child, Activation):
            setattr(module, name, nn.ELU(child.alpha) if child.alpha else nn.ReLU())
        elif isinstance(child, nn.ELU):
            setattr(module, name, nn.ELU(child.alpha))  # not in place
        else:
            plain_layers(child)


def plain_enlarge(x: Tensor, patch: int) -> Tensor:
    """Bilinear upsampling of what a network made of blocks of patch x patch pixels."""
    return nn.Upsample(scale_factor=patch, mode="bilinear")(x) if patch > 1 else x


class PlainUNet(nn.Module):
    """MONet's attention network (Burgess et al. 2019, appendix B.2): [B,C,H,W] -> logits [B,1,H,W]."""

    def __init__(self, fast: UNet) -> None:
        super().__init__()
        self.patch = fast.patch
        self.down, self.middle, self.up, self.head = fast.down, fast.middle, fast.up, fast.head
        plain_layers(self)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.PixelUnshuffle(self.patch)(x)
        skips: list[Tensor] = []
        for block in self.down:
            x = block(F.interpolate(x, scale_factor=0.5) if skips else x)
            skips.append(x)
        x = self.middle(x.movedim(1, -1).flatten(1)).view_as(x.movedim(1, -1)).movedim(-1, 1)
        for block in self.up:
            skip = skips.pop()
            x = block(torch.cat([F.interpolate(x, skip.shape[-2:]), skip], dim=1))
        return plain_enlarge(self.head(x), self.patch)


class PlainComponentEncoder(nn.Module):
    """MONet's component encoder (appendix B.1): [B,C,H,W] -> posterior mean and standard deviation, [B,D] each."""

    def __init__(self, fast: ComponentEncoder) -> None:
        super().__init__()
        self.convolutions, self.head = fast.convolutions, fast.head
        plain_layers(self)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, raw = self.head(self.convolutions(x).movedim(1, -1).flatten(1)).chunk(2, dim=1)
        return mean, F.softplus(raw + 0.5) + 1e-8

    def slots(self, image: Tensor, log_masks: Tensor) -> Normal:
        """Posteriors over latents [B,K,D] of what images [B,3,H,W] show within log masks [B,K,1,H,W]."""
        repeated = image.unsqueeze(1).expand(-1, log_masks.shape[1], -1, -1, -1)
        mean, std = self(torch.cat([repeated, log_masks], dim=2).flatten(0, 1))
        return Normal(mean.unflatten(0, log_masks.shape[:2]), std.unflatten(0, log_masks.shape[:2]))


class PlainBroadcastDecoder(nn.Module):
    """The spatial broadcast decoder step by step: repeat the latent over the grid, append coordinates, convolve."""

    def __init__(self, fast: BroadcastDecoder) -> None:
        super().__init__()
        self.patch, self.grid = fast.patch, fast.coordinates.shape[-1]
        self.from_latent, self.from_coordinates = fast.from_latent, fast.from_coordinates
        self.activation = nn.ELU() if fast.alpha else nn.ReLU()
        self.hidden, self.head = fast.hidden, fast.head
        plain_layers(self)

    def forward(self, latents: Tensor) -> Tensor:
        line = torch.linspace(-1, 1, self.grid).to(latents)
        coordinates = torch.stack(torch.meshgrid(line, line, indexing="xy")).expand(len(latents), -1, -1, -1)
        broadcast = latents[:, :, None, None].expand(-1, -1, self.grid, self.grid)
        # Any kernel whose taps on the latent sum to the fast decoder's matrix does: here all in the middle.
        kernel = torch.cat([F.pad(self.from_latent.weight[:, :, None, None], [1] * 4), self.from_coordinates.weight], 1)
        x = F.conv2d(torch.cat([broadcast, coordinates], dim=1), kernel, self.from_latent.bias)
        return plain_enlarge(self.head(self.hidden(self.activation(x))), self.patch)
