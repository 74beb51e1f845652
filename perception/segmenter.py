"""From a camera image to its objects: crop, model, de-duplication, labels at the camera's resolution."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np

from datasets.square import middle_square, square
from lds_models.mulmon import MulMON
from lds_models.weights import LoadedModel, WeightsError, load_weights
from perception.deduplication import DeduplicationSettings, MergedSlots, merge_duplicates
from perception.executors import DeviceFailed
from perception.fullness import is_full
from perception.runtime import SlotRuntime, ViewRuntime, open_runtime, open_view_runtime
from perception.scene_memory import SceneMemory
from perception.segmentation import ObjectSegment, Region, Segmentation
from perception.suitability import usual_error
from perception.upsampling import Upsampler


class Segmenter:
    """Segments images. With the weights of a single-view model it knows nothing of earlier ones: see `tracking`.

    One thread at a time.

    Attributes:
        name: of the weights.
        loaded: the weights: their model, on the CPU, and their card.
        image_size: of the model, pixels.
        settings, region: see below; may be changed.
        runtime: what makes slots of an image; of a multi-view model, its `memory`.
        memory: what a multi-view model has seen of the scene; None: the model sees single images.
        trouble: what the user should know of a GPU that failed; empty: nothing.

    Args:
        weights: a name of shipped weights, a file, a training run's folder, or what was loaded of one.
        settings: of `DeduplicationSettings`, which replace those of the model card.
        region: where in the image to look; None: everywhere. The model sees the middle square of it.
        device, threads: see `open_runtime`.
        poses: whether the camera's pose will be there for every image.

    Raises:
        WeightsError: there are no such weights, they are damaged, or of a multi-view model where there are no poses.
        DeviceFailed: the device that was asked for does not compute.
    """

    def __init__(
        self,
        weights: str | Path | LoadedModel,
        settings: Mapping[str, float] | None = None,
        region: Region | None = None,
        device: str = "auto",
        threads: int = 0,
        poses: bool = False,
    ) -> None:
        loaded = weights if isinstance(weights, LoadedModel) else load_weights(weights)
        if isinstance(loaded.model, MulMON) and not poses:
            raise WeightsError(
                f"{loaded.path}: is a multi-view model, which needs the camera's pose with each image: set the node's "
                "~world to a frame of tf, or take a single-view model"
            )
        self.name = loaded.name
        self.image_size = loaded.model.image_size
        self.region = region
        self.runtime: SlotRuntime | SceneMemory
        self.memory: SceneMemory | None = None
        self.trouble = ""
        self._upsample = Upsampler()
        self.loaded, self._threads = loaded, threads
        try:
            self.settings = DeduplicationSettings.from_card(loaded.card, settings or {})
            self._open_runtime(device)
        except ValueError as error:
            raise WeightsError(f"{loaded.path}: {error}") from error

    def segment(self, image: np.ndarray, T_world_camera: np.ndarray | None = None) -> Segmentation:
        """Segment an image, uint8 [H,W,3] RGB; by a multi-view model as what it adds to the views before.

        Args:
            T_world_camera: [4,4], which a multi-view model needs; the world's origin is in the middle of the scene.

        Raises:
            ValueError: the image is no uint8 [H,W,3], or empty, or the region is not within it; or a pose is missing.
        """
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            got = f"{image.dtype} {list(image.shape)}" if isinstance(image, np.ndarray) else type(image).__name__
            raise ValueError(f"an image must be a uint8 array [H,W,3], RGB; got {got}")
        if image.size == 0:
            raise ValueError(f"the image is empty: {list(image.shape)}")
        seen = self._square_of(image)
        small = square(image[seen.window], self.image_size)
        masks, latents = self.slots(small, T_world_camera)
        merged = merge_duplicates(masks, latents, self.settings, small)
        labels = np.zeros(image.shape[:2], np.int32)
        labels[seen.window] = self._upsample(merged.probabilities, image[seen.window])
        objects, full = _describe(labels, merged), is_full(masks, merged)
        return Segmentation(labels, objects, merged.duplicates_merged, seen, full)

    def slots(self, image: np.ndarray, T_world_camera: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The model's masks float32 [K,size,size] and latents [K,D] of an image of its size, uint8 [size,size,3] RGB.

        Raises:
            ValueError: a multi-view model's pose is missing.
        """
        scaled = np.ascontiguousarray(image.transpose(2, 0, 1), np.float32) / 255
        return self._computed(lambda: self.runtime(scaled, T_world_camera))

    def view_from(self, T_world_camera: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the fused scene looks like from elsewhere: labels int32 and image uint8 RGB, at the model's resolution.

        Raises:
            ValueError: the model sees single images, or has seen nothing yet.
        """
        memory = self.memory
        if memory is None:
            raise ValueError(
                f"{self.name} sees single images and knows nothing of other views; take a multi-view model"
            )
        masks, picture = self._computed(lambda: memory.view_from(T_world_camera))
        image = (255 * picture.transpose(1, 2, 0)).round().clip(0, 255).astype(np.uint8)
        slots = merge_duplicates(masks, memory.latents, self.settings, image)
        return slots.probabilities.argmax(0).astype(np.int32), image

    def _computed(self, compute: Callable[[], tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
        """What the model computes; where a GPU fails, on the CPU, as everything from then on."""
        try:
            return compute()
        except DeviceFailed as error:
            self._take_cpu(error)
            return compute()

    def _open_runtime(self, device: str) -> None:
        model = self.loaded.model
        try:
            if isinstance(model, MulMON):
                self.runtime = self._remembering(model, open_view_runtime(model, device, self._threads))
            else:
                self.runtime = open_runtime(model, device, self._threads)
        except DeviceFailed as error:
            if device != "auto":
                raise
            self._take_cpu(error)

    def _remembering(self, model: MulMON, runtime: ViewRuntime) -> SceneMemory:
        """The memory, which from now on computes by this runtime; what it has seen, it keeps."""
        if self.memory is None:
            self.memory = SceneMemory(model, runtime, usual_error(self.loaded.card))
        self.memory.runtime = runtime
        return self.memory

    def _take_cpu(self, error: DeviceFailed) -> None:
        self._open_runtime("cpu")
        self.trouble = f"{error}. Segmenting on the CPU from now on; start again to try the device again"

    def _square_of(self, image: np.ndarray) -> Region:
        """The square that the model is to see."""
        height, width = image.shape[:2]
        region = self.region or Region(0, 0, width, height)
        if region.x + region.width > width or region.y + region.height > height:
            raise ValueError(f"the region {region} is not within the image of {width} x {height} pixels")
        rows, columns = middle_square(image[region.window])
        side = rows.stop - rows.start
        return Region(region.x + columns.start, region.y + rows.start, side, side)


def _describe(labels: np.ndarray, merged: MergedSlots) -> list[ObjectSegment]:
    """The objects that have pixels in the labels, where object i of `merged` has the label i + 1."""
    winner = merged.probabilities.argmax(0)
    objects = []
    for id_, (latent, slots) in enumerate(zip(merged.latents, merged.slots, strict=True), start=1):
        inside = (labels == id_).view(np.uint8)
        columns, rows = (cv2.reduce(inside, axis, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel() for axis in (0, 1))
        area = int(columns.sum())
        if not area:
            continue
        (x, right), (y, bottom) = (np.flatnonzero(counts)[[0, -1]].tolist() for counts in (columns, rows))
        centre_x, centre_y = (float(counts @ np.arange(len(counts)) / area) for counts in (columns, rows))
        confidence = float(merged.probabilities[id_][winner == id_].mean())
        box = (x, y, right - x + 1, bottom - y + 1)
        objects.append(ObjectSegment(id_, box, area, (centre_x, centre_y), confidence, latent, len(slots)))
    return objects
