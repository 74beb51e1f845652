"""What computes a graph: OpenVINO on the CPU, or torch on a GPU. Both take and give arrays."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch

from perception.graphs import Graph


class Executor(Protocol):
    """A graph, ready to run: arrays in, in the order of its inputs; arrays out, in the order of its outputs."""

    description: str

    def __call__(self, *arguments: np.ndarray) -> list[np.ndarray]: ...


Ready = Callable[[Graph], Executor]


class DeviceFailed(Exception):
    """A GPU does not compute, or no longer: it is not there, gone, hung, or out of memory."""

    exit_code = 1


def openvino(precision: str = "auto", threads: int = 0) -> Ready:
    """On the CPU, compiled by OpenVINO.

    Args:
        precision: `f32`, `bf16`, or `auto`: bf16 where the processor computes in it.
        threads: 0 leaves the number to OpenVINO.
    """
    return lambda graph: _OpenVino(graph, precision, threads)


def eager(device: str) -> Ready:
    """In torch, float32, on a device such as `cuda:0`. On `cpu` it is the reference.

    To make the executor, and to call it, raises DeviceFailed where the device does not compute.
    """
    return lambda graph: _Torch(graph, device)


class _OpenVino:
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


class _Torch:
    def __init__(self, graph: Graph, device: str) -> None:
        self._device = device
        try:
            # A copy: the model itself stays on the CPU, which takes over where the device is lost.
            self._network = copy.deepcopy(graph.network).eval().to(device)
        except (RuntimeError, AssertionError) as error:  # the latter of a torch without CUDA
            raise DeviceFailed(f"the device '{device}' cannot be used: {_first_line(error)}") from error
        self.description = f"torch {torch.__version__}, float32, {device}"

    def __call__(self, *arguments: np.ndarray) -> list[np.ndarray]:
        try:
            with torch.no_grad():
                outputs = self._network(*(torch.from_numpy(a).to(self._device) for a in arguments))
            return [output.cpu().numpy() for output in outputs]
        except RuntimeError as error:
            raise DeviceFailed(f"the device '{self._device}' failed: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
