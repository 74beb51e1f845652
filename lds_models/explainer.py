"""Run a model over a packed dataset, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch

from datasets.packing import PackedDataset
from datasets.scene import DatasetError
from lds_models.explanation import Explanation, lay_out, posterior_segmentation
from lds_models.model import MultiViewModel, SceneModel, SlotInference
from lds_models.novel_views import OBSERVED_VIEWS, choose_observed, infer_and_render, observed_alone

ADVICE = "its weights are damaged or its training diverged: train again or take an earlier checkpoint"


class OutputError(ValueError):
    """A model's output is no use. The message says which and what to do."""

    exit_code = 1


class Explainer:
    """Explains a packed dataset batch by batch; a batch comes out the same however often it is asked for.

    Single-view models see every view as an image of its own. Multi-view models see some views of a scene together, and
    render the others without having seen them.

    Args:
        batch_size: images in a batch; a multi-view model gets as many whole scenes as fit, at least one.
        seed: of the posterior samples, and of which views are observed.
        observe: how many views of a scene a multi-view model is shown.

    Attributes:
        observed: bool [N], which of the dataset's images the model is shown.
        first_view: [S+1], see `PackedDataset`.

    Raises:
        DatasetError: the model needs viewpoints and the dataset has none that fit.
    """

    def __init__(
        self,
        model: SceneModel,
        packed: PackedDataset,
        batch_size: int = 32,
        device: str = "cpu",
        seed: int = 0,
        observe: int = OBSERVED_VIEWS,
    ) -> None:
        self._model, self._device, self.seed = model.to(device).eval(), device, seed
        self._packed, self._batch_size, self.first_view = packed, batch_size, packed.first_view
        self._viewpoints = _viewpoints(model, packed)
        if self._viewpoints is None:
            edges = np.arange(len(packed.images) + 1)
            self.observed = np.ones(len(packed.images), bool)
        else:
            edges = packed.first_view
            self.observed = choose_observed(edges, observe, seed)
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
        with self._random_state_of(index), torch.inference_mode():
            images = self._images(rows)
            inference = self._infer(images, rows, scenes)
            posterior = posterior_segmentation(images, self.observed[rows], inference, self._model.pixel_std)
        outputs = (inference.reconstruction, inference.mean, inference.log_masks.exp())
        if not all(torch.isfinite(output).all() for output in outputs):
            raise OutputError(f"the model's output for images {rows.start} to {rows.stop - 1} is not finite; {ADVICE}")
        truth = None if self._packed.masks is None else self._packed.masks[rows]
        return lay_out(images, self.observed[rows], inference, posterior, truth, self._num_regions)

    def rows(self, rows: slice) -> Explanation:
        """Explain an image, or the views of a scene, alone: out of the same batch as ever."""
        index = next(i for i, (batch, _) in enumerate(self._batches) if rows.start < batch.stop)
        first = self._batches[index][0].start
        return self.batch(index).only(slice(rows.start - first, rows.stop - first))

    def render(self, latents: np.ndarray, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Masks [B,K,H,W] and appearances [B,K,H,W,3] of latents [B,K,D], seen as image `row` was.

        Raises:
            NotImplementedError: the model cannot render its latents alone.
        """
        masks, appearances = [], []
        for some in torch.from_numpy(latents).to(self._device).split(self._batch_size):
            viewpoints = None
            if self._viewpoints is not None:
                viewpoints = torch.from_numpy(self._viewpoints[row]).to(self._device).expand(len(some), 1, -1)
            with torch.inference_mode():
                rendering = self._model.render(some, viewpoints)
            masks.append(rendering.log_masks.exp()[:, 0, :, 0].float().cpu().numpy())
            appearances.append(rendering.appearances[:, 0].movedim(2, -1).float().cpu().numpy())
        return np.concatenate(masks), np.concatenate(appearances)

    def log_weights(self, index: int, samples: int, progress: Callable[[int], None]) -> np.ndarray:
        """log p(x, z) - log q(z | x) of posterior samples of one batch, float64 [B,samples] in nats.

        B are its images; of multi-view models its scenes, x the views that the model observes. `samples_at_once` bounds
        the memory, and changes nothing else.

        Args:
            progress: called with how many images were decoded since its last call.

        Raises:
            OutputError: some are not finite.
        """
        rows, scenes = self._batches[index]
        with self._random_state_of(index), torch.inference_mode():
            images, viewpoints = self._images(rows).unflatten(0, (scenes, -1)), None
            if self._viewpoints is not None:
                of_scenes = (self._of_scenes(values[rows], scenes) for values in (self._viewpoints, self.observed))
                images, viewpoints = observed_alone(images, *of_scenes)
            draw, parts, drawn = self._model.log_weights(images, viewpoints), [], 0
            while drawn < samples:
                parts.append(draw(min(self.samples_at_once(index), samples - drawn)).cpu())
                drawn += parts[-1].shape[1]
                progress(parts[-1].shape[1] * images.shape[:2].numel())
        log_weights = torch.cat(parts, dim=1).numpy()
        if not np.isfinite(log_weights).all():
            raise OutputError(f"log densities of images {rows.start} to {rows.stop - 1} are not finite; {ADVICE}")
        return log_weights

    def samples_at_once(self, index: int) -> int:
        """How many posterior samples of one batch are decoded together: as many as decode a batch of images."""
        return max(1, self._batch_size // int(self.observed[self._batches[index][0]].sum()))

    def _images(self, rows: slice) -> torch.Tensor:
        return torch.from_numpy(self._packed.images[rows]).to(self._device).permute(0, 3, 1, 2).float() / 255

    def _of_scenes(self, of_images: np.ndarray, scenes: int) -> torch.Tensor:
        """What images [N,...] have as what scenes have, [B,V,...]."""
        return torch.from_numpy(of_images).to(self._device).unflatten(0, (scenes, -1))

    def _infer(self, images: torch.Tensor, rows: slice, scenes: int) -> SlotInference:
        images = images.unflatten(0, (scenes, -1))
        if self._viewpoints is None or not isinstance(self._model, MultiViewModel):
            return self._model.infer(images)
        viewpoints, observed = (self._of_scenes(values[rows], scenes) for values in (self._viewpoints, self.observed))
        return infer_and_render(self._model, images, viewpoints, observed, self._batch_size)

    @contextmanager
    def _random_state_of(self, index: int) -> Iterator[None]:
        """A batch's own random numbers; the state outside stays as it was."""
        with torch.random.fork_rng([] if self._device == "cpu" else [self._device]):
            torch.manual_seed(self.seed + index)
            yield


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
