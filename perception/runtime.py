"""Run a model on one image at a time, fast: through OpenVINO on the CPU, in torch on a GPU."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from lds_models.iterative import Posterior
from lds_models.model import SceneModel
from lds_models.mulmon import VIEWPOINT_DIMS, MulMON
from perception.executors import Ready, eager, openvino
from perception.graphs import conversions, sampling_noise

WARM_UP_RUNS = 3


class SlotRuntime:
    """A single-view model, ready to run.

    Called with an image float32 [3,size,size] in [0,1], it returns the slots' masks, float32 [K,size,size], which sum
    to 1 over K (see `conversions`), and the posterior means of their latents, float32 [K,D]. A pose says nothing to it.
    Calls raise DeviceFailed where a GPU does not compute.
    """

    def __init__(self, model: SceneModel, ready: Ready) -> None:
        self._slots = ready(conversions(model)["slots"])
        self.description = self._slots.description

    def __call__(self, image: np.ndarray, T_world_camera: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        masks, latents = self._slots(image[None])
        return masks, latents


class Known(NamedTuple):
    """What a multi-view model knows of a scene: Gaussians over its slots' latents, float32 [K,D] each."""

    mean: np.ndarray
    logvar: np.ndarray


def known_at_first(model: MulMON) -> Known:
    """Before the first view: the same of every slot."""
    prior = Posterior.of_all_slots(model.initial.detach(), 1, model.num_slots)
    return Known(*(part[0].contiguous().numpy() for part in (prior.mean, prior.logvar)))


class ViewRuntime:
    """A multi-view model, ready to run: graphs for a view's inference, its masks, and other views.

    Viewpoints are float32 [Dv]. Calls raise DeviceFailed where a GPU does not compute.
    """

    def __init__(self, model: MulMON, ready: Ready) -> None:
        graphs = conversions(model)
        self._start, self._noise = known_at_first(model), sampling_noise(model).numpy()
        self._fuse, self._explain, self._render = (ready(graphs[name]) for name in ("fuse", "explain", "render"))
        self.description = self._fuse.description

    def fuse(self, image: np.ndarray, viewpoint: np.ndarray, known: Known | None) -> Known:
        """What is known after one more view, float32 [3,size,size] in [0,1]; `known` None: of a first one."""
        return Known(*self._fuse(image[None], viewpoint[None], self._noise, *(known or self._start)))

    def explain(self, image: np.ndarray, mean: np.ndarray, viewpoint: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A view of the scene, [3,size,size] in [0,1]: responsibilities [K,size,size], and the picture as drawn."""
        masks, picture = self._explain(image[None], mean, viewpoint[None])
        return masks, picture

    def render(self, mean: np.ndarray, viewpoint: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A scene from a viewpoint: mixing probabilities [K,size,size], and the picture [3,size,size]."""
        masks, picture = self._render(mean, viewpoint[None])
        return masks, picture


def open_runtime(model: SceneModel, device: str = "auto", threads: int = 0) -> SlotRuntime:
    """Make a single-view model ready to run; its first call is as fast as the later ones.

    Args:
        device: `cpu`, a torch device such as `cuda:0`, or `auto`: a GPU where torch sees one.
        threads: of OpenVINO; 0 leaves the number to it.

    Raises:
        ValueError: the model's output on a grey image is not finite.
        DeviceFailed: the GPU does not compute, or is not there.
    """
    runtime = SlotRuntime(model, _ready(device, threads))
    outputs = [runtime(_grey(model)) for _ in range(WARM_UP_RUNS)][-1]
    _check_finite(*outputs)
    return runtime


def open_view_runtime(model: MulMON, device: str = "auto", threads: int = 0) -> ViewRuntime:
    """Make a multi-view model ready to run; arguments and errors as of `open_runtime`."""
    runtime = ViewRuntime(model, _ready(device, threads))
    viewpoint = np.zeros(VIEWPOINT_DIMS[model.viewpoint_kind], np.float32)
    known = known_at_first(model)
    for _ in range(WARM_UP_RUNS):
        known = runtime.fuse(_grey(model), viewpoint, known)
    _check_finite(*known, *runtime.explain(_grey(model), known.mean, viewpoint), *runtime.render(known.mean, viewpoint))
    return runtime


def _ready(device: str, threads: int) -> Ready:
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return openvino(threads=threads) if device == "cpu" else eager(device)


def _grey(model: SceneModel) -> np.ndarray:
    return np.full((3, model.image_size, model.image_size), 0.5, np.float32)


def _check_finite(*outputs: np.ndarray) -> None:
    if not all(np.isfinite(output).all() for output in outputs):
        raise ValueError(
            "the model's output on a plain grey image is not finite: its training diverged; take other weights"
        )
