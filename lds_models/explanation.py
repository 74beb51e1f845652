"""Run a model over a packed dataset and lay out what it infers image by image, in numpy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
import torch

from datasets.packing import PackedDataset
from datasets.scene import DatasetError
from lds_models.lds_prior import cosine_similarity_matrix
from lds_models.metrics.duplicates import min_pixels, visible_slots
from lds_models.metrics.segmentation import contingency
from lds_models.model import MultiViewModel, SceneModel, SlotInference


class OutputError(ValueError):
    """A model's output is no use. The message says which and what to do."""

    exit_code = 1


@dataclass(frozen=True)
class Explanation:
    """N images and what a model makes of them. Multi-view scenes are laid out view by view.

    Attributes:
        images: float32 [N,H,W,3] in [0,1].
        truth: uint8 [N,H,W], ground-truth regions below num_regions, or None.
        reconstruction: float32 [N,H,W,3].
        masks: float32 [N,K,H,W], mixing probabilities.
        appearances: float32 [N,K,H,W,3], each slot rendered alone.
        cosines_of_means, cosines_of_samples: float32 [N,K,K], cosine similarities of the slots' latents: posterior
            means, and one posterior sample (what the LDS prior sees).
    """

    images: np.ndarray
    truth: np.ndarray | None
    num_regions: int
    reconstruction: np.ndarray
    masks: np.ndarray
    appearances: np.ndarray
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
        """uint8 [N,H,W], the slot with the highest probability at each pixel."""
        return self.masks.argmax(1).astype(np.uint8)

    @cached_property
    def visible(self) -> np.ndarray:
        """bool [N,K], the slots that win more than noise."""
        return visible_slots(self.segmentation, self.num_slots)

    @cached_property
    def table(self) -> np.ndarray | None:
        """Contingency of ground-truth regions and slots, int64 [N,R,K]; None without ground truth."""
        if self.truth is None:
            return None
        return contingency(self.truth, self.segmentation, self.num_regions, self.num_slots)

    def only(self, image: int) -> Explanation:
        """The same of one of the images alone, N = 1."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{k: v[image : image + 1] for k, v in values.items() if isinstance(v, np.ndarray)})


class Explainer:
    """Explains a packed dataset batch by batch; a batch comes out the same however often it is asked for.

    Single-view models see every view as an image of its own, multi-view models all views of a scene together.

    Args:
        batch_size: images in a batch; a multi-view model gets as many whole scenes as fit, at least one.
        seed: of the posterior samples.

    Raises:
        DatasetError: the model needs viewpoints and the dataset has none that fit.
    """

    def __init__(
        self, model: SceneModel, packed: PackedDataset, batch_size: int = 32, device: str = "cpu", seed: int = 0
    ) -> None:
        self._model, self._device, self._seed = model.to(device).eval(), device, seed
        self._packed = packed
        self._viewpoints = _viewpoints(model, packed)
        self.num_images = len(packed.images)
        edges = np.arange(self.num_images + 1) if self._viewpoints is None else packed.first_view
        self._batches = list(_batches(edges, batch_size))
        self._num_regions = 0 if packed.masks is None else int(packed.masks.max()) + 1

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Explanation]:
        return (self.batch(i) for i in range(len(self)))

    def batch(self, index: int) -> Explanation:
        """Explain the images of one batch.

        Raises:
            OutputError: the model's output is not finite.
        """
        rows, scenes = self._batches[index]
        images = torch.from_numpy(self._packed.images[rows]).to(self._device).permute(0, 3, 1, 2).float() / 255
        viewpoints = None
        if self._viewpoints is not None:
            viewpoints = torch.from_numpy(self._viewpoints[rows]).to(self._device).unflatten(0, (scenes, -1))
        with torch.random.fork_rng(), torch.inference_mode():
            torch.manual_seed(self._seed + index)
            inference = self._model.infer(images.unflatten(0, (scenes, -1)), viewpoints)
        outputs = (inference.reconstruction, inference.mean, inference.log_masks.exp())
        if not all(torch.isfinite(output).all() for output in outputs):
            raise OutputError(
                f"the model's output for images {rows.start} to {rows.stop - 1} is not finite; "
                "its weights are damaged or its training diverged: train again or take an earlier checkpoint"
            )
        truth = None if self._packed.masks is None else self._packed.masks[rows]
        return _lay_out(images, inference, truth, self._num_regions)

    def image(self, row: int) -> Explanation:
        """Explain one image alone, out of the same batch as ever."""
        index = next(i for i, (rows, _) in enumerate(self._batches) if row < rows.stop)
        return self.batch(index).only(row - self._batches[index][0].start)


def _viewpoints(model: SceneModel, packed: PackedDataset) -> np.ndarray | None:
    """The viewpoints [N,Dv] that the model takes, or None where it takes none."""
    if not isinstance(model, MultiViewModel):
        return None
    if model.viewpoint_kind in packed.viewpoints:
        return packed.viewpoints[model.viewpoint_kind]
    raise DatasetError(
        f"{packed.source}: this model needs camera poses, and not every scene has them; choose a dataset with poses, "
        "or a single-view model"
    )


def _batches(edges: np.ndarray, batch_size: int) -> Iterator[tuple[slice, int]]:
    """Group scenes of equally many views: the rows of each batch, and how many scenes they are.

    Args:
        edges: [S+1], the first row of each scene, and the number of rows.
    """
    views = np.diff(edges)
    start = 0
    for stop in range(1, len(edges)):
        full = (stop - start + 1) * views[start] > batch_size
        if full or stop == len(views) or views[stop] != views[start]:
            yield slice(int(edges[start]), int(edges[stop])), stop - start
            start = stop


def _lay_out(images: torch.Tensor, inference: SlotInference, truth: np.ndarray | None, num_regions: int) -> Explanation:
    def numpy(tensor: torch.Tensor) -> np.ndarray:
        return tensor.float().cpu().numpy()

    def cosines(latents: torch.Tensor) -> np.ndarray:
        return numpy(cosine_similarity_matrix(latents)).repeat(len(images) // len(latents), axis=0)

    return Explanation(
        images=numpy(images.movedim(1, -1)),
        truth=truth,
        num_regions=num_regions,
        reconstruction=numpy(inference.reconstruction.flatten(0, 1).movedim(1, -1)),
        masks=numpy(inference.log_masks.exp().flatten(0, 1).squeeze(2)),
        appearances=numpy(inference.appearances.flatten(0, 1).movedim(2, -1)),
        cosines_of_means=cosines(inference.mean),
        cosines_of_samples=cosines(inference.sample),
    )
