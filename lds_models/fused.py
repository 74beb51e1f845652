"""Layers that training passes in few passes over memory; kernels.cpp computes them, or PyTorch where that cannot run.

PyTorch's activations of bf16 take as long as the convolutions around them, and its instance normalisation copies
tensors laid out channels last to the other layout and back. Where no gradient is wanted (inference, export), the layers
are PyTorch's own.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lds_models.compiled import Shape, call_kernel, kernel


class Activation(nn.Module):
    """An ELU that ends at -alpha, which with 0 is ReLU, of images [B,C,H,W]; in place while training."""

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        if x.requires_grad:
            return _Activation.apply(x, self.alpha)
        return F.elu(x, self.alpha) if self.alpha else F.relu(x)


class _Activation(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, alpha: float) -> Tensor:
        ctx.mark_dirty(x)
        ctx.alpha = alpha
        ctx.save_for_backward(activate_(x, alpha))
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        (out,) = ctx.saved_tensors
        return activation_gradient(grad, out, ctx.alpha)[0], None


def activate_(x: Tensor, alpha: float) -> Tensor:
    """ELU in place, or ReLU where alpha is 0."""
    if x.is_contiguous(memory_format=torch.channels_last) and (compute := kernel("activate", x)):
        compute(x.data_ptr(), x.numel(), alpha, torch.get_num_threads())
        return x
    return F.elu_(x, alpha) if alpha else x.relu_()


def activation_gradient(grad: Tensor, out: Tensor, alpha: float, in_place: bool = False) -> tuple[Tensor, Tensor]:
    """The gradient by what became `out` [B,C,H,W], and its sums over pixels [B,C]; `in_place` overwrites `grad`."""
    layout = torch.channels_last
    grad = grad.contiguous(memory_format=layout)
    by_input = grad if in_place else torch.empty_like(grad)
    if out.is_contiguous(memory_format=layout) and (compute := kernel("activate_backward", out)):
        sums = torch.empty(out.shape[:2])
        compute(*map(Tensor.data_ptr, (grad, out, by_input, sums)), Shape.of(out), alpha)
    else:
        torch.ops.aten.elu_backward.grad_input(grad, alpha, 1.0, 1.0, True, out, grad_input=by_input)
        sums = by_input.permute(0, 2, 3, 1).flatten(1, 2).sum(1)  # in the order of memory: several times faster
    return by_input, sums


def head_gradients(
    grad: Tensor, x: Tensor, weight: Tensor, alpha: float, by_parameters: bool = True
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Backward through a 1x1 convolution and the activation before it, which put out x [B,C,H,W].

    The gradient by what became x, its sums over pixels [B,C], and the gradients by weight [K,C,1,1] and bias [K].
    The last two are of no use, and may be None, without `by_parameters`.
    """
    layout, outputs = torch.channels_last, len(weight)
    grad, compute = grad.contiguous(memory_format=layout), kernel("head_backward", x)
    if compute and outputs in (3, 4) and x.is_contiguous(memory_format=layout):
        batch, channels = x.shape[:2]
        by_input, sums = torch.empty_like(x), torch.empty(batch, channels)
        by_weight, by_bias = torch.empty(batch, *weight.shape), torch.empty(batch, outputs)
        tensors = grad, x, weight.float().contiguous(), by_input, sums, by_weight, by_bias
        compute(*map(Tensor.data_ptr, tensors), Shape.of(x), outputs, alpha)
        return by_input, sums, by_weight.sum(0), by_bias.sum(0)
    by_output, by_weight, by_bias = torch.ops.aten.convolution_backward(
        grad, x, weight, [outputs], [1, 1], [0, 0], [1, 1], False, [0, 0], 1, [True, by_parameters, by_parameters]
    )
    return *activation_gradient(by_output, x, alpha, in_place=True), by_weight, by_bias


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


def join(low: Tensor, skip: Tensor) -> Tensor:
    """[B,C,h,w] brought to the size of [B,D,H,W] (H = h or 2 h, nearest neighbour), and both together, [B,C+D,H,W]."""
    if low.shape[2:] == skip.shape[2:]:
        return torch.cat([low, skip], dim=1)
    if low.requires_grad and low.dtype == skip.dtype and kernel("join", low):
        return _Join.apply(low, skip)
    return torch.cat([F.interpolate(low, scale_factor=2.0, mode="nearest"), skip], dim=1)


class _Join(torch.autograd.Function):
    @staticmethod
    def forward(ctx, low: Tensor, skip: Tensor) -> Tensor:
        layout = torch.channels_last
        low, skip = low.contiguous(memory_format=layout), skip.contiguous(memory_format=layout)
        ctx.shapes = low.shape, skip.shape
        batch, others, *size = skip.shape
        joined = torch.empty(batch, low.shape[1] + others, *size, dtype=low.dtype, memory_format=layout)
        sizes = Shape.of(low), low.shape[3], others
        call_kernel("join", low, low.data_ptr(), skip.data_ptr(), joined.data_ptr(), *sizes)
        return joined

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor]:
        grad = grad.contiguous(memory_format=torch.channels_last)
        by_low, by_skip = (
            torch.empty(shape, dtype=grad.dtype, memory_format=torch.channels_last) for shape in ctx.shapes
        )
        sizes = Shape.of(by_low), by_low.shape[3], by_skip.shape[1]
        call_kernel("join_backward", grad, grad.data_ptr(), by_low.data_ptr(), by_skip.data_ptr(), *sizes)
        return by_low, by_skip


class InstanceNormReLU(nn.Module):
    """relu(weight * (x - mean) / sqrt(variance + eps) + bias), mean and variance over each image and channel."""

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        if x.requires_grad and kernel("norm_relu", x):
            return _InstanceNormReLU.apply(x, self.weight, self.bias, self.eps)
        return F.relu(F.instance_norm(x, weight=self.weight, bias=self.bias, eps=self.eps))


class _InstanceNormReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        out, mean, inverse_std = torch.empty_like(x), torch.empty(x.shape[:2]), torch.empty(x.shape[:2])
        tensors = x, weight, bias, out, mean, inverse_std
        call_kernel("norm_relu", x, *map(Tensor.data_ptr, tensors), Shape.of(x), eps)
        ctx.save_for_backward(x, out, weight, mean, inverse_std)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, out, weight, mean, inverse_std = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        by_x, by_weight, by_bias = torch.empty_like(x), torch.empty_like(mean), torch.empty_like(mean)
        tensors = grad, x, out, weight, mean, inverse_std, by_x, by_weight, by_bias
        call_kernel("norm_relu_backward", x, *map(Tensor.data_ptr, tensors), Shape.of(x))
        return by_x, by_weight.sum(0), by_bias.sum(0), None
