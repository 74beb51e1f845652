"""Run a model on one image at a time, fast: through OpenVINO on the CPU, in torch on a GPU."""

from __future__ import annotations

import warnings
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from lds_models.model import SceneModel

WARM_UP_RUNS = 3


class Runtime(Protocol):
    """A single-view model, ready to run.

    Called with an image float32 [3,size,size] in [0,1], it returns the slots' mixing probabilities, float32
    [K,size,size], which sum to 1 over K, and the posterior means of their latents, float32 [K,D].
    """

    description: str

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...


def open_runtime(model: SceneModel, device: str = "auto", precision: str = "auto", threads: int = 0) -> Runtime:
    """Make a model ready to run; its first call is as fast as the later ones.

    Args:
        device: `cpu`, a torch device such as `cuda:0`, or `auto`: a GPU where torch sees one.
        precision: of OpenVINO: `f32`, `bf16`, or `auto`: bf16 where the processor computes in it. GPUs run in float32.
        threads: of OpenVINO; 0 leaves the number to it.

    Raises:
        ValueError: the model's output on a grey image is not finite.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    runtime = OpenVinoRuntime(model, precision, threads) if device == "cpu" else TorchRuntime(model, device)
    grey = np.full((3, model.image_size, model.image_size), 0.5, np.float32)
    outputs = [runtime(grey) for _ in range(WARM_UP_RUNS)][-1]
    if not all(np.isfinite(output).all() for output in outputs):
        raise ValueError(
            "the model's output on a plain grey image is not finite: its training diverged; take other weights"
        )
    return runtime


class TorchRuntime:
    """See `Runtime`. On the device `cpu` it is the float32 reference."""

    def __init__(self, model: SceneModel, device: str) -> None:
        self._slots = _Slots(model).eval().to(device)
        self._device = device
        self.description = f"torch {torch.__version__}, float32, {device}"

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with torch.inference_mode():
            masks, latents = self._slots(torch.from_numpy(image).to(self._device)[None])
        return masks.cpu().numpy(), latents.cpu().numpy()


class OpenVinoRuntime:
    """See `Runtime`. The model is converted in memory; what its outputs do not need (the decoder) falls away."""

    def __init__(self, model: SceneModel, precision: str = "auto", threads: int = 0) -> None:
        import openvino

        core = openvino.Core()
        if precision == "auto":
            precision = "bf16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
        if threads:
            settings["INFERENCE_NUM_THREADS"] = threads
        converted = openvino.convert_model(_traced(model), input=[1, 3, model.image_size, model.image_size])
        self._request = core.compile_model(converted, "CPU", settings).create_infer_request()
        self.description = f"OpenVINO {openvino.__version__.split('-')[0]}, {precision}, CPU"

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        outputs = self._request.infer([image[None]])
        return outputs[0], outputs[1]


class _Slots(nn.Module):
    """A single-view model as image [1,3,H,W] -> masks [K,H,W], latents [K,D]."""

    def __init__(self, model: SceneModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        inference = self.model.infer(image[:, None])
        return inference.log_masks[0, 0, :, 0].exp(), inference.mean[0]


def _traced(model: SceneModel) -> torch.jit.ScriptModule:
    example = torch.zeros(1, 3, model.image_size, model.image_size)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of checks on shapes, which are fixed, and of the tracer's own deprecation
        # Unchecked: the check traces once more and runs both, which takes longer than all the rest.
        return torch.jit.trace(_Slots(model).eval(), example, check_trace=False)
