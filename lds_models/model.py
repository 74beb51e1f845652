"""The interface that every scene model offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from lds_models.lds_prior import LDSConfig


@dataclass
class ModelConfig(LDSConfig):
    """The settings that every model's config has beside its own. The defaults are the LDS paper's."""

    name: str = ""  # the model's in `registry.MODELS`
    image_size: int = 64
    num_slots: int = 7
    latent_dim: int = 16
    patch: int = 1  # networks work on blocks of patch x patch pixels, see `networks`
    checkpointing: bool = False  # less memory, and a slower step


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
class Rendering:
    """What K latents look like from V viewpoints.

    Attributes:
        log_masks: [B,V,K,1,H,W], log mixing probabilities; they sum to 1 over K.
        appearances: [B,V,K,3,H,W], each slot's RGB in [0,1].
        reconstruction: [B,V,3,H,W], the mixture's mean.
    """

    log_masks: Tensor
    appearances: Tensor
    reconstruction: Tensor

    @classmethod
    def of_slots(cls, log_masks: Tensor, appearances: Tensor) -> Rendering:
        """What slots with these masks and appearances look like together."""
        return cls(log_masks, appearances, (log_masks.exp() * appearances).sum(2))


@dataclass(frozen=True)
class LossTerms:
    """Scalars in nats: sums over an image's pixels, averaged over the batch's images. `total` is what is minimised.

    Iterative models give nll, kl_latent and lds of their last iteration, and in `total` the weighted sum over all.

    Attributes:
        kl_mask: KL of the masks (MONet), or of the mask latents (GENESIS).
        query_nll: of views that the model did not observe (MulMON).
    """

    total: Tensor
    nll: Tensor
    kl_latent: Tensor
    lds: Tensor
    kl_mask: Tensor | None = None
    query_nll: Tensor | None = None

    def detached(self) -> dict[str, Tensor]:
        """The terms that the model has, by name."""
        terms = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: term.detach() for name, term in terms.items() if term is not None}


class SceneModel(nn.Module, ABC):
    """A component VAE. Images are float [B,V,3,H,W] in [0,1]; single-view models take V = 1."""

    config: ModelConfig
    num_slots: int
    image_size: int
    pixel_std: float | Tensor  # of the pixels' noise, RGB in [0,1]; one for all slots, or a tensor [K]
    lds_scale: float = 1.0  # the share of the LDS weight lambda in force, for its warm-up in training
    shard: tuple[int, int] = (0, 1)  # which part of the batch of a training step `loss` is given: (number, parts)
    mixes_images: bool = False  # whether the loss of an image depends on the others of its batch

    @abstractmethod
    def infer(self, images: Tensor, viewpoints: Tensor | None = None) -> SlotInference:
        """Explain images [B,V,3,H,W] (and viewpoints [B,V,Dv]) by K slots."""

    @abstractmethod
    def loss(self, images: Tensor, viewpoints: Tensor | None = None) -> LossTerms:
        """The training objective on a batch: images [B,V,3,H,W], viewpoints [B,V,Dv]."""

    @abstractmethod
    def log_weights(self, images: Tensor, viewpoints: Tensor | None = None) -> Callable[[int], Tensor]:
        """Infer the posterior q of images [B,V,3,H,W] (and viewpoints [B,V,Dv]), and return what draws samples of it.

        That is a function of S: it draws S samples z for each scene and returns log p(x, z) - log q(z | x) of each,
        float64 [B,S] in nats. x is all V views, p the model's own generative model: every term has the weight 1,
        whatever training weighs. S of the scenes' decodings are in memory at once; samples do not depend on how they
        are split over calls.
        """

    def render(self, latents: Tensor, viewpoints: Tensor | None = None) -> Rendering:
        """What the generative model makes of latents [B,K,D] (seen from viewpoints [B,V,Dv]).

        Raises:
            NotImplementedError: these latents alone do not say where a slot is, as in GENESIS, whose masks have others.
        """
        raise NotImplementedError

    def noise_like(self, tensor: Tensor) -> Tensor:
        """Standard normal noise for a tensor [B,...].

        For each part of a batch, the noise of the whole one is drawn and that of the part kept, so that random states
        stay the same in all processes, and training with N of them sees the noise that it would see with one.
        """
        number, parts = self.shard
        batch, *rest = tensor.shape
        noise = torch.randn(parts * batch, *rest, dtype=tensor.dtype, device=tensor.device)
        return noise[number * batch : (number + 1) * batch]

    def check_images(self, images: Tensor) -> None:
        """Raises ValueError where images are not [B,V,3,size,size]."""
        size = self.image_size
        if images.ndim != 5 or images.shape[2:] != torch.Size([3, size, size]):
            raise ValueError(f"expected images [B,V,3,{size},{size}], got {list(images.shape)}")


class MultiViewModel(SceneModel):
    """A model that fuses the views of a scene, and renders it from viewpoints that it has not seen."""

    viewpoint_kind: str  # which of `Scene.viewpoints` it takes: clevr, pose or gqn

    @abstractmethod
    def render(self, latents: Tensor, viewpoints: Tensor | None = None) -> Rendering:
        """What the scenes of latents [B,K,D] look like from viewpoints [B,V,Dv], which must be given."""

    @staticmethod
    def given(viewpoints: Tensor | None) -> Tensor:
        """The viewpoints. Raises ValueError where there are none."""
        if viewpoints is None:
            raise ValueError("a multi-view model needs viewpoints [B,V,Dv], got none")
        return viewpoints
