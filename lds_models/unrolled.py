"""Iterative inference without autograd, as one graph of plain operations: to be traced and exported.

What `Refiner` does, for one image: every iteration's derivatives are closed forms, and the decoder's pull-back is
written with the adjoints of its layers. Samples of the posterior are made of noise that is given. It cannot be left
out: slots start equal, and it is what pulls them apart first.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lds_models.decoder import BroadcastDecoder
from lds_models.iodine import IODINE
from lds_models.iterative import Refiner
from lds_models.mixture import log_joint, log_responsibilities
from lds_models.mulmon import MulMON
from lds_models.refinement import coordinates, layer_norm, log_of_others


class UnrolledIODINE(nn.Module):
    """IODINE as image [1,3,H,W] -> responsibilities [K,H,W], latents [K,D].

    Args:
        noise: standard normal, [T-1,K,D] for T iterations.
    """

    noise: Tensor
    initial: Tensor

    def __init__(self, model: IODINE, noise: Tensor) -> None:
        super().__init__()
        self.inference = _Inference(model.refiner)
        self.slots = model.num_slots
        self.register_buffer("noise", noise)
        self.register_buffer("initial", model.initial.detach().clone())

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        mean, logvar = (part.expand(self.slots, -1) for part in self.initial.chunk(2))
        prior = torch.zeros_like(mean), torch.zeros_like(logvar)
        mean, _ = self.inference(image, self.noise, (mean, logvar), prior)
        return self.inference.responsibilities(image, mean), mean


class UnrolledMulMON(nn.Module):
    """One more view of a scene: image [1,3,H,W], viewpoint [1,Dv], noise [T-1,K,D] for T iterations, and what is known,
    mean and logvar [K,D] -> the same after it. A first view comes with the prior of every slot, `MulMON.initial`.
    """

    def __init__(self, model: MulMON) -> None:
        super().__init__()
        self.inference = _Inference(model.refiner, model.projector)
        self.viewpoint_encoder = model.viewpoint_encoder

    def forward(
        self, image: Tensor, viewpoint: Tensor, noise: Tensor, mean: Tensor, logvar: Tensor
    ) -> tuple[Tensor, Tensor]:
        known = mean, logvar
        return self.inference(image, noise, known, known, self.viewpoint_encoder(viewpoint))


class _Inference(nn.Module):
    """`Refiner` for one image; `projector` is MulMON's, from latent and viewpoint code to what the decoder takes."""

    def __init__(self, refiner: Refiner, projector: nn.Sequential | None = None) -> None:
        super().__init__()
        self.decoder, self.projector = _Decoder(refiner.decoder), projector
        self.linear = [layer for layer in projector or () if isinstance(layer, nn.Linear)]
        self.encoder, self.lstm, self.head = refiner.network.encoder, refiner.network.lstm, refiner.network.head
        self.iterations, self.pixel_std, self.kl_weight = refiner.iterations, refiner.pixel_std, refiner.kl_weight

    def forward(
        self,
        image: Tensor,
        noise: Tensor,
        start: tuple[Tensor, Tensor],
        prior: tuple[Tensor, Tensor],
        code: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Mean and logvar [K,D] of the posterior; `start` and `prior` are means and logvars, too."""
        (mean, logvar), (prior_mean, prior_logvar) = start, prior
        hidden = cell = torch.zeros(len(mean), self.lstm.hidden_size).to(mean)
        for step in range(self.iterations - 1):
            spread = (0.5 * logvar).exp() * noise[step]
            projected, inner = self._project(mean + spread, code)
            decoded, tape = self.decoder(projected)
            spatial, gradient = self._explain(image, decoded)
            by_sample = self._by_latent(self.decoder.pull_back(gradient, tape), inner)
            by_mean = by_sample + self.kl_weight * (mean - prior_mean) * (-prior_logvar).exp()
            by_logvar = 0.5 * (by_sample * spread + self.kl_weight * ((logvar - prior_logvar).exp() - 1))
            by_both = layer_norm(torch.cat([by_mean, by_logvar], -1)[None])[0]
            flat = torch.cat([self.encoder(spatial), mean, logvar, by_both], -1)
            hidden, cell = self._remember(flat, hidden, cell)
            change, more = self.head(hidden).chunk(2, dim=-1)
            mean, logvar = mean + change, logvar + more
        return mean, logvar

    def responsibilities(self, image: Tensor, mean: Tensor) -> Tensor:
        """Which slot each pixel of image [1,3,H,W] comes from, probabilities [K,H,W]."""
        decoded, _ = self.decoder(mean)
        drawn = decoded[None, None, :, :3].clamp(0, 1), decoded[None, None, :, 3:].log_softmax(2)
        return log_responsibilities(image[:, None], *drawn, self.pixel_std)[0, 0, :, 0].exp()

    def _explain(self, image: Tensor, decoded: Tensor) -> tuple[Tensor, Tensor]:
        """What the refinement network sees [K,17,H,W], and the derivative of minus the log-likelihood [K,4,H,W]."""
        log_masks, error = decoded[:, 3:].log_softmax(0), decoded[:, :3] - image
        joint = log_joint(error, log_masks, self.pixel_std)
        likelihood = joint.logsumexp(0, keepdim=True)
        posterior, masks = (joint - likelihood).exp(), log_masks.exp()
        gradient = torch.cat([posterior * error / self.pixel_std**2, masks - posterior], dim=1)
        leave_one_out = likelihood + log_of_others(posterior[None])[0] - log_of_others(masks[None])[0]
        slots = len(decoded)
        parts = [
            image.expand(slots, -1, -1, -1), decoded[:, :3], masks, decoded[:, 3:], posterior,
            _normed(gradient[:, :3]), _normed(gradient[:, 3:]), _normed(likelihood).expand_as(masks),
            _normed(leave_one_out), coordinates(image).expand(slots, -1, -1, -1),
        ]  # fmt: skip
        return torch.cat(parts, dim=1), gradient

    def _remember(self, flat: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """torch.nn.LSTMCell, in operations that every runtime has."""
        lstm = self.lstm
        gates = F.linear(flat, lstm.weight_ih, lstm.bias_ih) + F.linear(hidden, lstm.weight_hh, lstm.bias_hh)
        take, keep, new, show = gates.chunk(4, dim=-1)
        cell = keep.sigmoid() * cell + take.sigmoid() * new.tanh()
        return show.sigmoid() * cell.tanh(), cell

    def _project(self, mean: Tensor, code: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """What the decoder takes, and the projector's hidden activations."""
        if code is None:
            return mean, None
        first, second = self.linear
        inner = first(torch.cat([mean, code.expand(len(mean), -1)], -1)).relu()
        return second(inner), inner

    def _by_latent(self, by_projected: Tensor, inner: Tensor | None) -> Tensor:
        if inner is None:
            return by_projected
        first, second = self.linear
        by_inner = (by_projected @ second.weight) * (inner > 0)
        return (by_inner @ first.weight)[:, : by_projected.shape[1]]


class _Decoder(nn.Module):
    """BroadcastDecoder with its pull-back to the latents."""

    enlarge: Tensor  # [H,grid], of columns and of rows

    def __init__(self, decoder: BroadcastDecoder) -> None:
        super().__init__()
        self.decoder = decoder
        self.convolutions = decoder.convolutions[:-1]
        grid = decoder.coordinates.shape[-1] - 2 + (0 if decoder.padding else -2 * len(self.convolutions))
        identity = torch.eye(grid)[None, None]
        enlarged = F.interpolate(identity, size=(grid * decoder.patch, grid), mode="bilinear", align_corners=False)
        self.register_buffer("enlarge", enlarged[0, 0].to(decoder.from_latent.weight))

    def forward(self, latents: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Means and logits [K,4,H,W], and the activations."""
        decoder = self.decoder
        coordinate_part = decoder.from_coordinates(decoder.coordinates)
        x = self._activate(decoder.from_latent(latents)[:, :, None, None] + coordinate_part)
        tape = [x]
        for convolution in self.convolutions:
            x = self._activate(F.conv2d(x, convolution.weight, convolution.bias, padding=decoder.padding))
            tape.append(x)
        x = F.conv2d(x, decoder.head.weight, decoder.head.bias)
        return self.enlarge @ x @ self.enlarge.T, tape

    def pull_back(self, gradient: Tensor, tape: list[Tensor]) -> Tensor:
        """From a gradient by what was drawn to that by the latents [K,D]."""
        decoder = self.decoder
        gradient = _adjoint(self.enlarge.T @ gradient @ self.enlarge, decoder.head.weight, 0)
        for x, convolution in zip(tape[:0:-1], self.convolutions[::-1], strict=True):
            gradient = self._through(gradient, x)
            gradient = _adjoint(gradient, convolution.weight, decoder.padding)
        return self._through(gradient, tape[0]).sum((2, 3)) @ decoder.from_latent.weight

    def _activate(self, x: Tensor) -> Tensor:
        return F.elu(x, self.decoder.alpha) if self.decoder.alpha else F.relu(x)

    def _through(self, gradient: Tensor, activated: Tensor) -> Tensor:
        """Back through the activation."""
        slope = torch.where(activated > 0, torch.ones_like(activated), activated + self.decoder.alpha)
        return gradient * slope if self.decoder.alpha else gradient * (activated > 0)


def _adjoint(gradient: Tensor, weight: Tensor, padding: int) -> Tensor:
    """Back through a convolution [Cout,Cin,k,k]: one with its weights mirrored.

    Not conv_transpose2d: OpenVINO 2026.4 computes other numbers for that.
    """
    return F.conv2d(gradient, weight.flip(2, 3).transpose(0, 1), padding=weight.shape[-1] - 1 - padding)


def _normed(x: Tensor) -> Tensor:
    """Each slot's entries [K,C,H,W] brought to mean 0 and variance 1."""
    return layer_norm(x[None])[0]
