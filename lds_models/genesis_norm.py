"""Batch normalisation over the whole batch of a training step, on one process or many."""

from __future__ import annotations

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


def over_processes(tensor: Tensor) -> Tensor:
    """The tensors of all training processes, [P,...], the same in each of them; [1,...] where there is only one."""
    if not (dist.is_available() and dist.is_initialized()):
        return tensor.unsqueeze(0)
    parts = [torch.empty_like(tensor) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, tensor.contiguous())
    return torch.stack(parts)


class BatchNorm(nn.Module):
    """weight * (x - mean) / sqrt(variance + eps) + bias per channel of [B,C,H,W] (Ioffe & Szegedy 2015).

    Training takes mean and variance of the whole batch, with the parts that other processes hold, so that N processes
    compute what one would; they all hold equally much. Evaluation takes running averages. PyTorch's SyncBatchNorm does
    the same on GPUs alone.
    """

    running_mean: Tensor  # [C]
    running_variance: Tensor

    def __init__(self, channels: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_variance", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return F.batch_norm(x, self.running_mean, self.running_variance, self.weight, self.bias, eps=self.eps)
        mean, variance = self._statistics(x.detach())
        return _Normalise.apply(x, self.weight, self.bias, mean, variance + self.eps)

    @torch.no_grad()
    def _statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance [C] of the whole batch; the running averages follow them."""
        # Tensors to move the averages in make the kernel answer in their number format, not in x's.
        scratch = torch.zeros_like(self.running_mean), torch.zeros_like(self.running_mean)
        means, variances = over_processes(torch.stack(torch.batch_norm_update_stats(x, *scratch, 0.0))).unbind(1)
        mean = means.mean(0)
        variance = (variances + (means - mean).square()).mean(0)
        count = len(means) * x.numel() // x.shape[1]
        self.running_mean.lerp_(mean, self.momentum)
        self.running_variance.lerp_(variance * count / (count - 1), self.momentum)
        return mean, variance


class _Normalise(torch.autograd.Function):
    """PyTorch's kernels, with mean and variance [C] that count as functions of the whole batch."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight, mean, variance)
        return F.batch_norm(x, mean, variance, weight, bias, eps=0.0)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        x, weight, mean, variance = ctx.saved_tensors
        inverse_std = variance.rsqrt()
        grad_x, grad_weight, grad_bias = torch.ops.aten.native_batch_norm_backward(
            grad, x, weight, mean, variance, mean, inverse_std, True, 0.0, [True, True, True]
        )
        # d loss / d x = scale (g - mean g - x^ mean(g x^)), x^ the normalised input. The kernel takes the means of
        # what this process holds; they ought to be those of all.
        own = torch.stack([grad_bias, grad_weight]) * (x.shape[1] / x.numel())
        everybody = over_processes(own)
        if len(everybody) > 1:
            constant, slope = (own - everybody.mean(0)) * weight * inverse_std
            grad_x += F.batch_norm(x, mean, variance, slope, constant, eps=0.0)
        return grad_x, grad_weight, grad_bias, None, None
