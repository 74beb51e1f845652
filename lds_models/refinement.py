"""What iterative amortised inference sees, and the network that turns it into a better posterior (IODINE, MulMON).

IODINE: Greff et al. 2019, arXiv:1903.00450, section 3.2 and appendix B.2. MulMON: Li et al. 2020, arXiv:2111.07117.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lds_models.mixture import log_joint
from lds_models.precision import number_format, wide

SPATIAL_INPUTS = 17  # image 3, means 3, mask, logit, posterior, 4 gradients, likelihood, leave-one-out, coordinates 2


@dataclass(frozen=True)
class PixelExplanation:
    """How K decoded slots explain an image.

    Attributes:
        nll: [B], minus the log-likelihood of the mixture, nats.
        decoded: [B,K,4,H,W], the RGB means and mask logits that it was computed from.
        image: [B,1,3,H,W].
        log_masks, masks, posterior: [B,K,1,H,W], mixing probabilities, and responsibilities for the pixel's colour.
        log_likelihood: [B,1,1,H,W], nats.
        gradient: [B,K,4,H,W], the derivative of nll by what was decoded.

    All but nll and decoded are without a graph.
    """

    nll: Tensor
    decoded: Tensor
    image: Tensor
    log_masks: Tensor
    masks: Tensor
    posterior: Tensor
    log_likelihood: Tensor
    gradient: Tensor

    def refinement_inputs(self) -> Tensor:
        """What the refinement network sees of it, [B,K,17,H,W].

        As in IODINE's code, no gradient flows back through derivatives and likelihoods.
        """
        with torch.no_grad():
            leave_one_out = self.log_likelihood + log_of_others(self.posterior) - log_of_others(self.masks)
            fixed = [
                layer_norm(self.gradient[:, :, :3]),
                layer_norm(self.gradient[:, :, 3:]),
                layer_norm(self.log_likelihood).expand_as(self.masks),
                layer_norm(leave_one_out),
                coordinates(self.image).expand(*self.masks.shape[:2], -1, -1, -1),
            ]
            seen = [self.image.expand(-1, self.masks.shape[1], -1, -1, -1), self.decoded[:, :, :3], self.masks]
            parts = [*seen, self.decoded[:, :, 3:], self.posterior, *fixed]
            inputs = torch.cat([part.to(number_format(part)) for part in parts], dim=2)
        return _SeeDecoded.apply(self.decoded, inputs, self.masks, self.posterior, self.gradient)


def explain_pixels(image: Tensor, decoded: Tensor, pixel_std: float) -> PixelExplanation:
    """Likelihood of an image [B,3,H,W] under decoded RGB means and mask logits [B,K,4,H,W], and what follows from it.

    Derivatives are closed forms: with responsibilities r and mixing probabilities m, they are r (mean - x) / std^2 by
    the means and m - r by the logits.
    """
    decoded = wide(decoded).contiguous()
    with torch.no_grad():
        image = wide(image).unsqueeze(1)
        log_masks = decoded[:, :, 3:].log_softmax(1)
        error = decoded[:, :, :3] - image
        joint = log_joint(error, log_masks, pixel_std)
        log_likelihood = joint.logsumexp(1, keepdim=True)
        posterior, masks = (joint - log_likelihood).exp(), log_masks.exp()
        gradient = torch.cat([posterior * error / pixel_std**2, masks - posterior], dim=2)
        nll = -log_likelihood.sum((1, 2, 3, 4))
    nll = _WithGradient.apply(decoded, nll, gradient)
    return PixelExplanation(nll, decoded, image, log_masks, masks, posterior, log_likelihood, gradient)


class _WithGradient(torch.autograd.Function):
    """Gives values [B] the gradient [B,...] by what they were computed from."""

    @staticmethod
    def forward(ctx, source: Tensor, values: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        return values.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * upstream.view(-1, *[1] * (gradient.ndim - 1)), None, None


class _SeeDecoded(torch.autograd.Function):
    """Refinement inputs with the gradient of those that are not fixed: means, masks, logits and responsibilities."""

    @staticmethod
    def forward(ctx, decoded: Tensor, inputs: Tensor, masks: Tensor, posterior: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(masks, posterior, gradient)
        return inputs.view_as(inputs)

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream: Tensor) -> tuple[Tensor, None, None, None, None]:
        masks, posterior, gradient = ctx.saved_tensors
        by_mean, by_mask, by_logit, by_posterior = wide(upstream[:, :, 3:9]).split([3, 1, 1, 1], dim=2)
        # Both are softmaxes, of the logits and of the logits with the colours' log density, whose derivative by a
        # mean is (x - mean) / std^2: the gradient of nll over the responsibility.
        centred = by_posterior - (posterior * by_posterior).sum(1, keepdim=True)
        by_mean = by_mean - gradient[:, :, :3] * centred
        by_logit = by_logit + posterior * centred + masks * (by_mask - (masks * by_mask).sum(1, keepdim=True))
        return torch.cat([by_mean, by_logit], dim=2), None, None, None, None


def log_of_others(probabilities: Tensor) -> Tensor:
    """log(1 - p) of probabilities [B,K,...] that sum to 1 over K, at least log 1e-6.

    Summed over the other slots: near 1, the difference would keep few digits of float32.
    """
    slots = probabilities.shape[1]
    other = 1 - torch.eye(slots, dtype=probabilities.dtype, device=probabilities.device)
    with torch.autocast(probabilities.device.type, enabled=False):
        return torch.einsum("jk,bk...->bj...", other, probabilities).clamp(min=1e-6).log()


def layer_norm(x: Tensor) -> Tensor:
    """Each slot's entries [B,K,...] brought to mean 0 and variance 1."""
    return F.layer_norm(x, x.shape[2:])


def coordinates(like: Tensor) -> Tensor:
    """[2,H,W]: columns and rows of the pixels of `like` [...,H,W], from -1 to 1."""
    rows, columns = (torch.linspace(-1, 1, n, dtype=like.dtype, device=like.device) for n in like.shape[-2:])
    return torch.stack(torch.meshgrid(columns, rows, indexing="xy"))


class RefinementNetwork(nn.Module):
    """Convolutions over the spatial inputs, an LSTM over iterations, and an additive update of the posterior.

    Args:
        encoder: [N,17,H,W] -> [N,features].
        hidden: of the LSTM.
    """

    def __init__(self, encoder: nn.Module, features: int, hidden: int, latent_dim: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.lstm = nn.LSTMCell(features + 4 * latent_dim, hidden)
        self.head = nn.Linear(hidden, 2 * latent_dim)

    def forward(
        self, spatial: Tensor, flat: Tensor, state: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """The update [N,2D] and the LSTM's next state, of inputs [N,17,H,W] and [N,4D]; `state` None: the first one."""
        features = self.encoder(spatial.contiguous(memory_format=torch.channels_last))  # or both passes would copy it
        state = self.lstm(torch.cat([features, flat.to(features.dtype)], dim=1), state)
        return wide(self.head(state[0])), state
