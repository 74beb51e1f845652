"""Instance normalisation and ReLU as one differentiable step, for tensors laid out channels last.

PyTorch's own instance normalisation copies such tensors to the other layout and back, which costs more than the
convolutions around it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class InstanceNormReLU(nn.Module):
    """relu(weight * (x - mean) / sqrt(variance + eps) + bias), mean and variance over each image and channel."""

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            return _InstanceNormReLU.apply(x, self.weight, self.bias, self.eps)
        return F.relu(F.instance_norm(x, weight=self.weight, bias=self.bias, eps=self.eps))


class _InstanceNormReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        centred = _pixels_by_channels(x)  # [B,HW,C]
        pixels, wide = centred.shape[1], weight.dtype
        # A sum of bf16 adds up in float32 and rounds once, which is enough; asking it for float32 takes five times as long.
        centred = centred - centred.sum(1, keepdim=True) / pixels
        inverse_std = (centred.square().sum(1, keepdim=True).to(wide) / pixels + eps).rsqrt()
        scale = inverse_std * weight
        out = torch.addcmul(bias.to(x.dtype), centred, scale.to(x.dtype)).relu_()
        ctx.save_for_backward(centred, out, inverse_std, scale)
        return _like_image(out, x)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        centred, out, inverse_std, scale = ctx.saved_tensors
        wide, pixels = scale.dtype, centred.shape[1]
        active = torch.ops.aten.threshold_backward(_pixels_by_channels(grad), out, 0)
        sum_grad = active.sum(1, keepdim=True).to(wide)
        sum_grad_centred = (active * centred).sum(1, keepdim=True).to(wide)
        # d loss / d x = scale (g - mean g - x^ mean(g x^)), x^ the normalised input (Ioffe & Szegedy 2015, section 3)
        constant = -scale * sum_grad / pixels
        slope = -scale * inverse_std.square() * sum_grad_centred / pixels
        grad_x = torch.addcmul(constant.to(grad.dtype), active, scale.to(grad.dtype))
        grad_x.addcmul_(centred, slope.to(grad.dtype))
        return _like_image(grad_x, grad), (sum_grad_centred * inverse_std).sum((0, 1)), sum_grad.sum((0, 1)), None


def _pixels_by_channels(image: Tensor) -> Tensor:
    """[B,C,H,W] -> [B,HW,C]; a view where the layout is channels last."""
    return image.permute(0, 2, 3, 1).reshape(image.shape[0], -1, image.shape[1])


def _like_image(pixels: Tensor, image: Tensor) -> Tensor:
    """[B,HW,C] -> [B,C,H,W] of the image's height and width, channels last."""
    batch, channels, height, width = image.shape
    return pixels.view(batch, height, width, channels).permute(0, 3, 1, 2)
