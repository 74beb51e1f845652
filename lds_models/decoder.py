"""The spatial broadcast decoder that all models draw with, and its gradient by the latents alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lds_models.fused import Activation, activate_, activation_gradient, head_gradients
from lds_models.networks import ALPHAS, enlarge

PullBack = Callable[[Tensor], Tensor]


class BroadcastDecoder(nn.Module):
    """Spatial broadcast decoder (Watters et al. 2019; MONet, appendix B.1): latents [N,D] -> [N,outputs,H,W].

    3x3 convolutions on a grid that is larger by their margins (MONet, MulMON), or that pad with zeros, all but the
    first (`padded`; IODINE). The first one sees a latent that is the same everywhere, so its part is one matrix
    product, and the coordinates' part is the same for all slots: together they equal the convolution over the broadcast
    grid, with its nine taps on the latent summed.

    Args:
        layers: 3x3 convolutions; a 1x1 convolution follows.
        patch: draw at 1 / patch of the size and enlarge.
        activation: relu or elu.
        checkpointing: keep no activations for the backward pass, but compute them again.
    """

    coordinates: Tensor  # [1,2,h,w] of the grid: columns and rows, from -1 to 1

    def __init__(
        self,
        latent_dim: int,
        outputs: int,
        size: int,
        channels: int,
        layers: int,
        patch: int = 1,
        activation: str = "relu",
        padded: bool = False,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.patch, self.alpha, self.padding = patch, ALPHAS[activation], int(padded)
        self.checkpointing = checkpointing
        grid = size // patch + (2 if padded else 2 * layers)
        line = torch.linspace(-1, 1, grid)
        coordinates = torch.stack(torch.meshgrid(line, line, indexing="xy"))[None]
        self.register_buffer("coordinates", coordinates.contiguous(memory_format=torch.channels_last), persistent=False)
        self.from_latent = nn.Linear(latent_dim, channels)
        self.from_coordinates = nn.Conv2d(2, channels, 3, bias=False)
        hidden: list[nn.Module] = []
        for _ in range(layers - 1):
            hidden += [nn.Conv2d(channels, channels, 3, padding=self.padding), Activation(self.alpha)]
        self.hidden = nn.Sequential(*hidden)
        self.head = nn.Conv2d(channels, outputs, 1)

    def forward(self, latents: Tensor) -> Tensor:
        """[N,outputs,H,W] of latents [N,D]."""
        return self.traced(latents)[0]

    def traced(self, latents: Tensor) -> tuple[Tensor, PullBack]:
        """The same, and a function from a gradient by it [N,outputs,H,W] to the gradient by the latents [N,D].

        That gradient has no graph of its own, and is computed without those by the parameters.
        """
        parameters = [p for layer in self.convolutions for p in layer.parameters()]  # weight, bias, weight, bias, ...
        latent, coordinates = self.from_latent(latents), self.from_coordinates(self.coordinates)
        tape: list[Tensor] = []
        if torch.is_grad_enabled():
            settings = self.alpha, self.padding, self.checkpointing
            drawn = _Convolutions.apply(latent, coordinates, settings, tape, *parameters)
        else:
            drawn = _draw(latent, coordinates, self.alpha, self.padding, tape, parameters)
        return enlarge(drawn, self.patch), partial(self._pull_back, tape)

    @property
    def convolutions(self) -> list[nn.Conv2d]:
        """Those after the first products, the head last."""
        return [layer for layer in (*self.hidden, self.head) if isinstance(layer, nn.Conv2d)]

    @torch.no_grad()
    def _pull_back(self, tape: list[Tensor], gradient: Tensor) -> Tensor:
        if self.patch > 1:
            grid = tape[-1].shape[2]
            size = [*gradient.shape[:2], grid, grid]
            gradient = torch.ops.aten.upsample_bilinear2d_backward(gradient, gradient.shape[2:], size, False)
        weights = [convolution.weight for convolution in self.convolutions]
        _, by_latent, _ = _backward(gradient, tape, weights, self.alpha, self.padding, by_parameters=False)
        return by_latent.to(self.from_latent.weight) @ self.from_latent.weight


def _draw(
    latent: Tensor, coordinates: Tensor, alpha: float, padding: int, tape: list[Tensor], parameters: Sequence[Tensor]
) -> Tensor:
    """The decoder after its first products: latent [N,C], coordinates [1,C,H,W]. Keeps activations on the tape."""
    x = activate_(_spread(latent, coordinates), alpha)
    tape.append(x)
    *hidden, (head, bias) = zip(*[iter(_like(parameters, x))] * 2, strict=True)
    for weight, shift in hidden:
        x = activate_(F.conv2d(x, weight, shift, padding=padding), alpha)
        tape.append(x)
    return F.conv2d(x, head, bias)


def _spread(latent: Tensor, coordinates: Tensor) -> Tensor:
    """latent [N,C] + coordinates [1,C,H,W], by rows of the image: adding to C numbers at a time takes twice as long."""
    _, channels, height, width = coordinates.shape
    rows = coordinates.to(latent.dtype).permute(0, 2, 3, 1).reshape(1, height, width * channels)
    x = rows + latent.repeat(1, width)[:, None]
    return x.view(len(latent), height, width, channels).permute(0, 3, 1, 2)


def _like(parameters: Sequence[Tensor], x: Tensor) -> list[Tensor]:
    """Weights and biases in the number format of x, weights laid out channels last."""
    return [p.to(x.dtype, memory_format=torch.channels_last) if p.ndim == 4 else p.to(x.dtype) for p in parameters]


def _backward(
    gradient: Tensor, tape: list[Tensor], weights: Sequence[Tensor], alpha: float, padding: int, by_parameters: bool
) -> tuple[Tensor, Tensor, list[Tensor | None]]:
    """The gradient by what the first activation saw, its sums over pixels, and those by weights and biases.

    Without `by_parameters`, not all of the latter are computed.
    """
    gradient = gradient.to(tape[0].dtype, memory_format=torch.channels_last)
    *weights, head = _like(weights, tape[0])
    gradient, sums, *by_head = head_gradients(gradient, tape[-1], head, alpha, by_parameters)
    found: list[Tensor | None] = by_head[::-1]
    for x, weight in zip(reversed(tape[:-1]), reversed(weights), strict=True):
        by_bias = sums.sum(0)
        gradient, by_weight, _ = torch.ops.aten.convolution_backward(
            gradient, x, weight, None, [1, 1], [padding] * 2, [1, 1], False, [0, 0], 1, [True, by_parameters, False]
        )
        found += [by_bias, by_weight]
        gradient, sums = activation_gradient(gradient, x, alpha, in_place=True)
    return gradient, sums, found[::-1]


class _Convolutions(torch.autograd.Function):
    @staticmethod
    def forward(ctx, latent, coordinates, settings, tape, *parameters) -> Tensor:
        ctx.settings = settings
        alpha, padding, checkpointing = settings
        drawn = _draw(latent, coordinates, alpha, padding, tape, parameters)
        ctx.save_for_backward(*parameters, *((latent, coordinates) if checkpointing else tape))
        return drawn

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple:
        (alpha, padding, checkpointing), count = ctx.settings, len(ctx.needs_input_grad) - 4
        parameters, tape = ctx.saved_tensors[:count], list(ctx.saved_tensors[count:])
        if checkpointing:
            latent, coordinates = tape
            tape = []
            _draw(latent, coordinates, alpha, padding, tape, parameters)
        gradient, by_latent, by_parameters = _backward(
            gradient, tape, parameters[::2], alpha, padding, by_parameters=True
        )
        by_coordinates = gradient.permute(0, 2, 3, 1).sum(0, keepdim=True).permute(0, 3, 1, 2)
        return by_latent, by_coordinates, None, None, *by_parameters
