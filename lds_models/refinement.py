"""What iterative amortised inference sees, and the network that turns it into a better posterior (IODINE, MulMON).

IODINE: Greff et al. 2019, arXiv:1903.00450, section 3.2 and appendix B.2. MulMON: Li et al. 2020, arXiv:2111.07117.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lds_models.precision import wide

SPATIAL_INPUTS = 17  # image 3, means 3, mask, logit, posterior, 4 gradients, likelihood, leave-one-out, coordinates 2


@dataclass(frozen=True)
class PixelExplanation:
    """How K decoded slots explain an image.

    Attributes:
        nll: [B], minus the log-likelihood of the mixture, nats.
        log_masks: [B,K,1,H,W], without a graph.
        gradient: [B,K,4,H,W], the derivative of nll by the decoded means and mask logits.
        inputs: [B,K,17,H,W], what the refinement network sees of it.
    """

    nll: Tensor
    log_masks: Tensor
    gradient: Tensor
    inputs: Tensor


def explain_pixels(image: Tensor, decoded: Tensor, pixel_std: float) -> PixelExplanation:
    """Likelihood of an image [B,3,H,W] under decoded RGB means and mask logits [B,K,4,H,W], and what follows from it.

    Derivatives are closed forms: with responsibilities r and mixing probabilities m, they are r (mean - x) / std^2 by
    the means and m - r by the logits. As in IODINE's code, no gradient flows back through derivatives and likelihoods.
    """
    image, decoded = wide(image).unsqueeze(1), wide(decoded)
    means, logits = decoded[:, :, :3], decoded[:, :, 3:]
    log_masks = logits.log_softmax(1)
    error = means - image
    log_normal = error.square().sum(2, keepdim=True) * (-0.5 / pixel_std**2) - 3 * (
        math.log(pixel_std) + 0.5 * math.log(2 * math.pi)
    )
    joint = log_masks + log_normal
    log_likelihood = joint.logsumexp(1, keepdim=True)
    posterior = (joint - log_likelihood).exp()
    masks = log_masks.exp()
    with torch.no_grad():
        gradient = torch.cat([posterior * error / pixel_std**2, masks - posterior], dim=2)
        leave_one_out = log_likelihood + log_of_others(posterior) - log_of_others(masks)
        fixed = [
            layer_norm(gradient[:, :, :3]),
            layer_norm(gradient[:, :, 3:]),
            layer_norm(log_likelihood).expand_as(masks),
            layer_norm(leave_one_out),
            coordinates(image).expand(*masks.shape[:2], -1, -1, -1),
        ]
    inputs = torch.cat([image.expand_as(means), means, masks, logits, posterior, *fixed], dim=2)
    return PixelExplanation(-log_likelihood.sum((1, 2, 3, 4)), log_masks.detach(), gradient, inputs)


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
        features = self.encoder(spatial)
        state = self.lstm(torch.cat([features, flat.to(features.dtype)], dim=1), state)
        return wide(self.head(state[0])), state
