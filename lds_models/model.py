"""The interface that every scene model offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class SlotInference:
    """What a model infers from B scenes of V views with K slots of D latent dimensions.

    Attributes:
        mean, std, sample: [B,K,D], the posterior over latents and one sample of it.
        log_masks: [B,V,K,1,H,W], log mixing probabilities; they sum to 1 over K.
        appearances: [B,V,K,3,H,W], each slot's RGB in [0,1].
        reconstruction: [B,V,3,H,W], the mixture's mean.
    """

    mean: Tensor
    std: Tensor
    sample: Tensor
    log_masks: Tensor
    appearances: Tensor
    reconstruction: Tensor


@dataclass(frozen=True)
class LossTerms:
    """Scalars in nats: sums over an image's pixels, averaged over the batch's images. `total` is what is minimised."""

    total: Tensor
    nll: Tensor
    kl_latent: Tensor
    kl_mask: Tensor
    lds: Tensor

    def detached(self) -> dict[str, Tensor]:
        return {f.name: getattr(self, f.name).detach() for f in fields(self)}


class SceneModel(nn.Module, ABC):
    """A component VAE. Images are float [B,V,3,H,W] in [0,1]; single-view models take V = 1."""

    num_slots: int
    image_size: int
    viewpoint_dim: int = 0  # 0: the model takes no viewpoints
    lds_scale: float = 1.0  # the share of the LDS weight lambda in force, for its warm-up in training

    @abstractmethod
    def infer(self, images: Tensor, viewpoints: Tensor | None = None) -> SlotInference:
        """Explain images [B,V,3,H,W] (and viewpoints [B,V,Dv]) by K slots."""

    @abstractmethod
    def loss(self, images: Tensor, viewpoints: Tensor | None = None) -> LossTerms:
        """The training objective on a batch: images [B,V,3,H,W], viewpoints [B,V,Dv]."""

    def check_images(self, images: Tensor) -> None:
        """Raises ValueError where images are not [B,V,3,size,size]."""
        size = self.image_size
        if images.ndim != 5 or images.shape[2:] != torch.Size([3, size, size]):
            raise ValueError(f"expected images [B,V,3,{size},{size}], got {list(images.shape)}")
