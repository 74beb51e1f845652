"""What a model makes of images, laid out image by image, in numpy."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
import torch

from lds_models.lds_prior import cosine_similarity_matrix
from lds_models.metrics.duplicates import min_pixels, visible_slots
from lds_models.metrics.segmentation import contingency
from lds_models.mixture import log_responsibilities
from lds_models.model import SlotInference


@dataclass(frozen=True)
class Explanation:
    """N images and what a model makes of them. Multi-view scenes are laid out view by view.

    Attributes:
        images: float32 [N,H,W,3] in [0,1].
        observed: bool [N], the images that the model was shown; the others are views that it rendered unseen.
        truth: uint8 [N,H,W], ground-truth regions below num_regions, or None.
        reconstruction: float32 [N,H,W,3].
        masks: float32 [N,K,H,W], mixing probabilities.
        posterior_segmentation: uint8 [N,H,W], the slot that a pixel of this colour most probably comes from; of views
            that the model was not shown, the one with the highest mixing probability.
        appearances: float32 [N,K,H,W,3], each slot rendered alone.
        means, stds: float32 [N,K,D], the posterior over the latents.
        cosines_of_means, cosines_of_samples: float32 [N,K,K], cosine similarities of the slots' latents: posterior
            means, and one posterior sample (what the LDS prior sees).
    """

    images: np.ndarray
    observed: np.ndarray
    truth: np.ndarray | None
    num_regions: int
    reconstruction: np.ndarray
    masks: np.ndarray
    posterior_segmentation: np.ndarray
    appearances: np.ndarray
    means: np.ndarray
    stds: np.ndarray
    cosines_of_means: np.ndarray
    cosines_of_samples: np.ndarray

    @property
    def num_slots(self) -> int:
        return self.masks.shape[1]

    @property
    def pixel_floor(self) -> float:
        """Pixels below which a slot's share of an image is noise."""
        return min_pixels(*self.images.shape[1:3])

    @cached_property
    def segmentation(self) -> np.ndarray:
        """uint8 [N,H,W], the slot with the highest mixing probability at each pixel."""
        return self.masks.argmax(1).astype(np.uint8)

    @cached_property
    def visible(self) -> np.ndarray:
        """bool [N,K], the slots that win more than noise."""
        return visible_slots(self.segmentation, self.num_slots)

    @cached_property
    def table(self) -> np.ndarray | None:
        """Contingency of ground-truth regions and slots, int64 [N,R,K]; None without ground truth."""
        return self._table(self.segmentation)

    @cached_property
    def posterior_table(self) -> np.ndarray | None:
        """The same of the posterior segmentation."""
        return self._table(self.posterior_segmentation)

    def only(self, images: slice) -> Explanation:
        """The same of some of the images alone."""
        arrays = [f.name for f in fields(self) if isinstance(getattr(self, f.name), np.ndarray)]
        return replace(self, **{name: getattr(self, name)[images] for name in arrays})

    def _table(self, segmentation: np.ndarray) -> np.ndarray | None:
        if self.truth is None:
            return None
        return contingency(self.truth, segmentation, self.num_regions, self.num_slots)


def posterior_segmentation(
    images: torch.Tensor, observed: np.ndarray, inference: SlotInference, pixel_std: float | torch.Tensor
) -> torch.Tensor:
    """[N,H,W] of images [N,3,H,W]; see `Explanation`."""
    scenes, views = inference.log_masks.shape[:2]
    drawn = images.unflatten(0, (scenes, views)), inference.appearances, inference.log_masks
    slots, drawn_slots = (
        logits.flatten(0, 1)[:, :, 0].argmax(1)
        for logits in (log_responsibilities(*drawn, pixel_std), inference.log_masks)
    )
    seen = torch.from_numpy(observed).to(images.device)[:, None, None]
    return torch.where(seen, slots, drawn_slots)


def lay_out(
    images: torch.Tensor, observed: np.ndarray, inference: SlotInference, posterior: torch.Tensor,
    truth: np.ndarray | None, num_regions: int,
) -> Explanation:  # fmt: skip
    """N images [N,3,H,W], what was inferred of their scenes, and the posterior segmentation [N,H,W]."""

    def numpy(tensor: torch.Tensor) -> np.ndarray:
        return tensor.float().cpu().numpy()

    def of_views(of_scenes: torch.Tensor) -> np.ndarray:
        return numpy(of_scenes).repeat(len(images) // len(of_scenes), axis=0)

    def cosines(latents: torch.Tensor) -> np.ndarray:
        return of_views(cosine_similarity_matrix(latents))

    return Explanation(
        images=numpy(images.movedim(1, -1)),
        observed=observed,
        truth=truth,
        num_regions=num_regions,
        reconstruction=numpy(inference.reconstruction.flatten(0, 1).movedim(1, -1)),
        masks=numpy(inference.log_masks.exp().flatten(0, 1).squeeze(2)),
        posterior_segmentation=posterior.cpu().numpy().astype(np.uint8),
        appearances=numpy(inference.appearances.flatten(0, 1).movedim(2, -1)),
        means=of_views(inference.mean),
        stds=of_views(inference.std),
        cosines_of_means=cosines(inference.mean),
        cosines_of_samples=cosines(inference.sample),
    )
