"""Layers that do what PyTorch's do in fewer and faster passes over memory, for tensors laid out channels last on a CPU.

PyTorch's ReLU of bf16 converts every number to float32 and back, and its instance normalisation copies channels_last
tensors to the other layout and back; either cost more than the convolutions around it. Where no gradient is wanted
(inference, export) these layers are PyTorch's own.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class ReLU(nn.Module):
    """relu(x), in place while training."""

    def forward(self, x: Tensor) -> Tensor:
        return _ReLU.apply(x) if x.requires_grad else F.relu(x)


class _ReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.mark_dirty(x)
        ctx.save_for_backward(relu_(x))
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> Tensor:
        (out,) = ctx.saved_tensors
        return _relu_gradient(grad, out)


def relu_(x: Tensor) -> Tensor:
    """relu in place. The bits of a negative bf16 are a negative int16, so that integers do it, ten times as fast.

    A NaN with a sign comes out as 0; the gradient, which training checks, still is NaN.
    """
    if x.dtype == torch.bfloat16:
        x.view(torch.int16).clamp_min_(0)
        return x
    return x.relu_()


def _relu_gradient(grad: Tensor, out: Tensor) -> Tensor:
    """`grad` where `out` = relu(x) is above 0, else 0: the gradient of an ELU with alpha 0, faster than ReLU's own."""
    return torch.ops.aten.elu_backward(grad, 0.0, 1.0, 1.0, True, out)


class InstanceNormReLU(nn.Module):
    """relu(weight * (x - mean) / sqrt(variance + eps) + bias), mean and variance over each image and channel."""

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        if x.requires_grad:
            return _InstanceNormReLU.apply(x, self.weight, self.bias, self.eps)
        return F.relu(F.instance_norm(x, weight=self.weight, bias=self.bias, eps=self.eps))


class _InstanceNormReLU(torch.autograd.Function):
    """Works on rows of several pixels, [B,rows,pixels * C]: broadcasting over short rows of C takes the most time."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        channels, wide = len(weight), weight.dtype
        rows = _rows(x)
        pixels = rows[0].numel() // channels
        # A sum of bf16 adds up in float32 and rounds once, which is enough; asking for float32 takes five times longer.
        mean = _per_channel(rows.sum(1), channels, wide) / pixels
        centred = rows - _per_row(mean, rows)
        variance = _per_channel(centred.square().sum(1), channels, wide) / pixels
        inverse_std = (variance + eps).rsqrt()
        scale = inverse_std * weight
        out = relu_(torch.addcmul(_per_row(bias.expand_as(scale), rows), centred, _per_row(scale, rows)))
        ctx.save_for_backward(centred, out, inverse_std, scale)
        return _like_image(out, x)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        centred, out, inverse_std, scale = ctx.saved_tensors
        channels, wide = scale.shape[1], scale.dtype
        pixels = centred[0].numel() // channels
        active = _relu_gradient(_rows(grad), out)
        sum_grad = _per_channel(active.sum(1), channels, wide)
        sum_grad_centred = _per_channel((active * centred).sum(1), channels, wide)
        # d loss / d x = scale (g - mean g - x^ mean(g x^)), x^ the normalised input (Ioffe & Szegedy 2015, section 3)
        constant = -scale * sum_grad / pixels
        slope = -scale * inverse_std.square() * sum_grad_centred / pixels
        grad_x = torch.addcmul(_per_row(constant, active), active, _per_row(scale, active))
        grad_x.addcmul_(centred, _per_row(slope, active))
        return _like_image(grad_x, grad), (sum_grad_centred * inverse_std).sum(0), sum_grad.sum(0), None


def _rows(image: Tensor) -> Tensor:
    """[B,C,H,W] -> [B,rows,pixels * C], the pixels in the order of memory; a view where the layout is channels last."""
    batch, channels, height, width = image.shape
    pixels = math.gcd(height * width, 16)
    return image.permute(0, 2, 3, 1).reshape(batch, -1, pixels * channels)


def _per_channel(sums: Tensor, channels: int, dtype: torch.dtype) -> Tensor:
    """Sums over rows [B,pixels * C] -> sums over all pixels [B,C]."""
    return sums.to(dtype).view(len(sums), -1, channels).sum(1)


def _per_row(values: Tensor, rows: Tensor) -> Tensor:
    """Values [B,C] -> [B,1,pixels * C], to be broadcast over rows, in their number format."""
    return values.to(rows.dtype).repeat(1, rows.shape[2] // values.shape[1]).unsqueeze(1)


def _like_image(rows: Tensor, image: Tensor) -> Tensor:
    """[B,rows,pixels * C] -> [B,C,H,W] of the image's height and width, channels last."""
    batch, channels, height, width = image.shape
    return rows.view(batch, height, width, channels).permute(0, 3, 1, 2)
