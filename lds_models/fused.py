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


def halved(x: Tensor) -> tuple[Tensor, Tensor]:
    """An image [B,C,H,W] as it is, and every second of its rows and columns (nearest neighbour)."""
    return _Halved.apply(x) if x.requires_grad else (x, x[:, :, ::2, ::2])


class _Halved(torch.autograd.Function):
    """Adds the second gradient into the first, rather than an image that is zero where it has no pixel."""

    @staticmethod
    def forward(ctx, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.view_as(x), x[:, :, ::2, ::2].contiguous(memory_format=torch.channels_last)

    @staticmethod
    @once_differentiable
    def backward(ctx, by_whole: Tensor, by_half: Tensor) -> Tensor:
        grad = by_whole.clone(memory_format=torch.channels_last)
        grad[:, :, ::2, ::2] += by_half
        return grad


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


LARGE = 1024  # pixels from which on a tensor had better stay channels last


class _InstanceNormReLU(torch.autograd.Function):
    """Group normalisation with a group for each channel, whose kernels keep the statistics in float32.

    Small images are normalised in PyTorch's default layout: its kernels are so much faster there than copying takes.
    """

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        batch, channels, height, width = x.shape
        pixels = height * width
        layout = torch.channels_last if pixels >= LARGE else torch.contiguous_format
        x = x.contiguous(memory_format=layout)
        out, mean, inverse_std = torch.native_group_norm(x, weight, bias, batch, channels, pixels, channels, eps)
        ctx.save_for_backward(x, relu_(out), mean, inverse_std, weight)
        return out.contiguous(memory_format=torch.channels_last)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, out, mean, inverse_std, weight = ctx.saved_tensors
        batch, channels, height, width = x.shape
        pixels = height * width
        if pixels >= LARGE:
            return *_large_gradients(grad, x, out, mean, inverse_std, weight), None
        by_x, by_weight, by_bias = torch.ops.aten.native_group_norm_backward(
            _relu_gradient(grad.contiguous(), out), x, mean, inverse_std, weight,
            batch, channels, pixels, channels, [True, True, True],
        )  # fmt: skip
        return by_x.contiguous(memory_format=torch.channels_last), by_weight, by_bias, None


def _large_gradients(
    grad: Tensor, x: Tensor, out: Tensor, mean: Tensor, inverse_std: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients by x, weight and bias of large images, several times as fast as PyTorch's for this layout.

    Works on rows of several pixels, [B,rows,pixels * C]: broadcasting over short rows of C takes the most time.
    """
    dtype, pixels = inverse_std.dtype, x.shape[2] * x.shape[3]
    rows = _rows(x)
    active = _relu_gradient(_rows(grad), _rows(out))
    # A sum of bf16 adds up in float32 and rounds once, which is enough; asking for float32 takes five times longer.
    sum_grad = _per_channel(active.sum(1), mean)
    sum_grad_centred = _per_channel((active * rows).sum(1), mean) - mean * sum_grad
    # d loss / d x = scale (g - mean g - x^ mean(g x^)), x^ the normalised input (Ioffe & Szegedy 2015, section 3)
    scale = inverse_std * weight.to(dtype)
    slope = -scale * inverse_std.square() * sum_grad_centred / pixels
    constant = -scale * sum_grad / pixels - slope * mean
    by_x = active.mul_(_per_row(scale, rows)).add_(_per_row(constant, rows))
    by_x.addcmul_(rows, _per_row(slope, rows))
    by_x = by_x.view_as(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    return by_x, (sum_grad_centred * inverse_std).sum(0), sum_grad.sum(0)


def _rows(image: Tensor) -> Tensor:
    """[B,C,H,W] -> [B,rows,pixels * C], the pixels in the order of memory; a view where the layout is channels last."""
    batch, channels, height, width = image.shape
    pixels = math.gcd(height * width, 16)
    return image.permute(0, 2, 3, 1).reshape(batch, -1, pixels * channels)


def _per_channel(sums: Tensor, like: Tensor) -> Tensor:
    """Sums over rows [B,pixels * C] -> sums over all pixels [B,C]."""
    return sums.to(like.dtype).view(len(sums), -1, like.shape[1]).sum(1)


def _per_row(values: Tensor, rows: Tensor) -> Tensor:
    """Values [B,C] -> [B,1,pixels * C], to be broadcast over rows, in their number format."""
    return values.to(rows.dtype).repeat(1, rows.shape[2] // values.shape[1]).unsqueeze(1)
