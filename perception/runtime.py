"""Run a model on one image at a time, fast: through OpenVINO on the CPU, in torch on a GPU."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from lds_models.iodine import IODINE
from lds_models.model import MultiViewModel, SceneModel
from lds_models.mulmon import MulMON
from lds_models.unrolled import UnrolledIODINE, UnrolledMulMON

if TYPE_CHECKING:
    import openvino

WARM_UP_RUNS = 3
DIVERGED = "the model's output on a plain grey image is not finite: its training diverged; take other weights"


class Runtime(Protocol):
    """A single-view model, ready to run.

    Called with an image float32 [3,size,size] in [0,1], it returns the slots' mixing probabilities, float32
    [K,size,size], which sum to 1 over K, and the posterior means of their latents, float32 [K,D].
    """

    description: str

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...


class Known(NamedTuple):
    """What a multi-view model knows of a scene: Gaussians over its slots' latents, float32 [K,D] each."""

    mean: np.ndarray
    logvar: np.ndarray


class ViewRuntime(Protocol):
    """A multi-view model, ready to run. Viewpoints are float32 [Dv]."""

    description: str

    def fuse(self, image: np.ndarray, viewpoint: np.ndarray, known: Known | None) -> Known:
        """What is known after one more view, float32 [3,size,size] in [0,1]; `known` None: of a first one."""

    def render(self, mean: np.ndarray, viewpoint: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A scene from a viewpoint: mixing probabilities [K,size,size], and the picture [3,size,size]."""


def open_runtime(model: SceneModel, device: str = "auto", precision: str = "auto", threads: int = 0) -> Runtime:
    """Make a single-view model ready to run; its first call is as fast as the later ones.

    Args:
        device: `cpu`, a torch device such as `cuda:0`, or `auto`: a GPU where torch sees one.
        precision: of OpenVINO: `f32`, `bf16`, or `auto`: bf16 where the processor computes in it. GPUs run in float32.
        threads: of OpenVINO; 0 leaves the number to it.

    Raises:
        ValueError: the model's output on a grey image is not finite.
    """
    device = _device(device)
    runtime = OpenVinoRuntime(model, precision, threads) if device == "cpu" else TorchRuntime(model, device)
    outputs = [runtime(_grey(model)) for _ in range(WARM_UP_RUNS)][-1]
    _check_finite(*outputs)
    return runtime


def open_view_runtime(
    model: MulMON, device: str = "auto", precision: str = "auto", threads: int = 0
) -> OpenVinoViewRuntime | TorchViewRuntime:
    """Make a multi-view model ready to run; arguments and errors as of `open_runtime`."""
    device = _device(device)
    runtime = OpenVinoViewRuntime(model, precision, threads) if device == "cpu" else TorchViewRuntime(model, device)
    viewpoint = np.zeros(model.viewpoint_encoder[0].in_features, np.float32)
    known = None
    for _ in range(WARM_UP_RUNS):
        known = runtime.fuse(_grey(model), viewpoint, known)
    _check_finite(*known, *runtime.render(known.mean, viewpoint))
    return runtime


class TorchRuntime:
    """See `Runtime`. On the device `cpu` it is the float32 reference."""

    def __init__(self, model: SceneModel, device: str) -> None:
        self._slots = _slots(model).eval().to(device)
        self._device = device
        self.description = f"torch {torch.__version__}, float32, {device}"

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with torch.no_grad():
            masks, latents = self._slots(torch.from_numpy(image).to(self._device)[None])
        return masks.cpu().numpy(), latents.cpu().numpy()


class OpenVinoRuntime:
    """See `Runtime`. The model is converted in memory; what its outputs do not need (the decoder) falls away."""

    def __init__(self, model: SceneModel, precision: str = "auto", threads: int = 0) -> None:
        self._compiled = _Compiled(conversions(model)["slots"], precision, threads)
        self.description = self._compiled.description

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        masks, latents = self._compiled(image[None])
        return masks, latents


class TorchViewRuntime:
    """See `ViewRuntime`. On the device `cpu` it is the float32 reference."""

    def __init__(self, model: MulMON, device: str) -> None:
        self._fuse, self._view = UnrolledMulMON(model).eval().to(device), _View(model).eval().to(device)
        self._start, self._noise, self._device = _start(model), _noise(model), device
        self.description = f"torch {torch.__version__}, float32, {device}"

    def fuse(self, image: np.ndarray, viewpoint: np.ndarray, known: Known | None) -> Known:
        return Known(*self._run(self._fuse, image[None], viewpoint[None], self._noise.numpy(), *(known or self._start)))

    def render(self, mean: np.ndarray, viewpoint: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        masks, picture = self._run(self._view, mean, viewpoint[None])
        return masks, picture

    def _run(self, network: nn.Module, *arguments: np.ndarray) -> list[np.ndarray]:
        with torch.no_grad():
            outputs = network(*(torch.from_numpy(np.ascontiguousarray(a)).to(self._device) for a in arguments))
        return [output.cpu().numpy() for output in outputs]


class OpenVinoViewRuntime:
    """See `ViewRuntime`: one graph for a view's inference, with all its iterations and gradients, one to render."""

    def __init__(self, model: MulMON, precision: str = "auto", threads: int = 0) -> None:
        graphs = conversions(model)
        self._start, self._noise = _start(model), _noise(model).numpy()
        self._fuse, self._view = (_Compiled(graphs[name], precision, threads) for name in ("fuse", "render"))
        self.description = self._fuse.description

    def fuse(self, image: np.ndarray, viewpoint: np.ndarray, known: Known | None) -> Known:
        return Known(*self._fuse(image[None], viewpoint[None], self._noise, *(known or self._start)))

    def render(self, mean: np.ndarray, viewpoint: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        masks, picture = self._view(mean, viewpoint[None])
        return masks, picture


@dataclass(frozen=True)
class Graph:
    """A network of fixed shapes, to be converted for OpenVINO.

    Attributes:
        inputs: their names and shapes, in their order.
        outputs: their names, in their order.
    """

    network: nn.Module
    inputs: dict[str, list[int]]
    outputs: list[str]

    def convert(self) -> openvino.Model:
        """The model, its inputs and outputs named."""
        import openvino

        example = tuple(torch.zeros(shape) for shape in self.inputs.values())
        converted = openvino.convert_model(_traced(self.network, example), input=list(self.inputs.values()))
        for port, name in zip(converted.inputs, self.inputs, strict=True):
            port.get_tensor().set_names({name})
        for port, name in zip(converted.outputs, self.outputs, strict=True):
            port.get_tensor().set_names({name})
        return converted


def conversions(model: SceneModel) -> dict[str, Graph]:
    """What a model is made of at run time: `slots`, or for a multi-view model `fuse` and `render`.

    Images are [1,3,H,W] in [0,1], masks [K,H,W], latents and what is known of them [K,D], viewpoints [1,Dv].
    """
    image = [1, 3, model.image_size, model.image_size]
    if not isinstance(model, MulMON):
        return {"slots": Graph(_slots(model), {"image": image}, ["masks", "latents"])}
    known = [model.num_slots, model.config.latent_dim]
    viewpoint = [1, model.viewpoint_encoder[0].in_features]
    seen = {
        "image": image, "viewpoint": viewpoint, "noise": [model.config.iterations - 1, *known], "mean": known,
        "logvar": known,
    }  # fmt: skip
    return {
        "fuse": Graph(UnrolledMulMON(model), seen, ["mean_after", "logvar_after"]),
        "render": Graph(_View(model), {"mean": known, "viewpoint": viewpoint}, ["masks", "picture"]),
    }


class _Compiled:
    """A graph, compiled by OpenVINO."""

    def __init__(self, graph: Graph, precision: str, threads: int) -> None:
        import openvino

        core = openvino.Core()
        if precision == "auto":
            precision = "bf16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"
        settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
        if threads:
            settings["INFERENCE_NUM_THREADS"] = threads
        self._request = core.compile_model(graph.convert(), "CPU", settings).create_infer_request()
        self.description = f"OpenVINO {openvino.__version__.split('-')[0]}, {precision}, CPU"

    def __call__(self, *arguments: np.ndarray) -> list[np.ndarray]:
        outputs = self._request.infer(list(arguments))
        return [outputs[i].copy() for i in range(len(outputs))]


class _Slots(nn.Module):
    """A model that sees an image once, as image [1,3,H,W] -> masks [K,H,W], latents [K,D]."""

    def __init__(self, model: SceneModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        inference = self.model.infer(image[:, None])
        return inference.log_masks[0, 0, :, 0].exp(), inference.mean[0]


class _View(nn.Module):
    """Latents [K,D] and a viewpoint [1,Dv] -> masks [K,H,W], picture [3,H,W]."""

    def __init__(self, model: MultiViewModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, mean: Tensor, viewpoint: Tensor) -> tuple[Tensor, Tensor]:
        rendering = self.model.render(mean[None], viewpoint[None])
        return rendering.log_masks[0, 0, :, 0].exp(), rendering.reconstruction[0, 0]


def _slots(model: SceneModel) -> nn.Module:
    return UnrolledIODINE(model, _noise(model)) if isinstance(model, IODINE) else _Slots(model)


def _noise(model: IODINE | MulMON) -> Tensor:
    """For the posterior's samples, always the same: [T-1,K,D]."""
    size = model.config.iterations - 1, model.num_slots, model.config.latent_dim
    return torch.randn(size, generator=torch.Generator().manual_seed(0))


def _start(model: MulMON) -> Known:
    """Before the first view."""
    parts = model.initial.detach().expand(model.num_slots, -1).chunk(2, dim=-1)
    return Known(*(part.contiguous().numpy() for part in parts))


def _device(device: str) -> str:
    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"


def _grey(model: SceneModel) -> np.ndarray:
    return np.full((3, model.image_size, model.image_size), 0.5, np.float32)


def _check_finite(*outputs: np.ndarray) -> None:
    if not all(np.isfinite(output).all() for output in outputs):
        raise ValueError(DIVERGED)


def _traced(network: nn.Module, example: tuple[Tensor, ...]) -> torch.jit.ScriptModule:
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of checks on shapes, which are fixed, and of the tracer's own deprecation
        # Unchecked: the check traces once more and runs both, which takes longer than all the rest.
        return torch.jit.trace(network.eval(), example, check_trace=False)
