"""A GPU that fails while it segments. There is none here: a runtime that fails as torch's does stands in for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from datasets.camera import look_at
from lds_models.mulmon import MulMON, MulMONConfig
from lds_models.weights import save_weights
from perception import runtime
from perception.executors import DeviceFailed, Executor, eager
from perception.graphs import Graph
from perception.segmenter import Segmenter

LOST = "CUDA error: unspecified launch failure\nCUDA kernel errors might be asynchronously reported"
IMAGE = np.full((48, 64, 3), 220, np.uint8)
IMAGE[10:25, 15:30], IMAGE[20:35, 35:50] = (200, 30, 30), (30, 60, 190)


class Failing(nn.Module):
    """Computes some times, then fails as torch does when a GPU is gone."""

    def __init__(self, network: nn.Module, calls: int) -> None:
        super().__init__()
        self.network, self.left = network, calls

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        self.left -= 1
        if self.left < 0:
            raise RuntimeError(LOST)
        return self.network(*inputs)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Makes `auto` a GPU that computes each graph as often as is said, and then no more."""

    def make(calls: int) -> None:
        def ready(graph: Graph) -> Executor:
            return eager("cpu")(Graph(Failing(graph.network, calls), graph.inputs, graph.outputs))

        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(runtime, "eager", lambda device: ready)

    return make


def test_where_the_gpu_fails_the_cpu_goes_on_and_the_user_is_told(gpu: Callable[[int], None]) -> None:
    expected = Segmenter("monet_lds_table", device="cpu", threads=1).segment(IMAGE)
    assert len(expected.objects) == 2
    gpu(runtime.WARM_UP_RUNS + 1)
    segmenter = Segmenter("monet_lds_table", threads=1)
    segmenter.segment(IMAGE)
    assert not segmenter.trouble and segmenter.runtime.description.startswith("torch")
    for _ in range(2):
        np.testing.assert_array_equal(segmenter.segment(IMAGE).labels, expected.labels)
    assert segmenter.runtime.description.startswith("OpenVINO")
    assert "CUDA error: unspecified launch failure. Segmenting on the CPU from now on" in segmenter.trouble


def test_what_a_multi_view_model_knows_of_the_scene_outlives_the_gpu(
    gpu: Callable[[int], None], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    small = {"image_size": 16, "num_slots": 3, "iterations": 2, "decoder_channels": 4, "hidden": 8}
    save_weights(tmp_path / "views.safetensors", MulMON(MulMONConfig(viewpoint_kind="pose", **small)), {})
    poses = [look_at(np.array([0.4 * np.cos(turn), 0.4 * np.sin(turn), 0.35]), np.zeros(3)) for turn in (0.0, 0.8, 1.6)]
    gpu(runtime.WARM_UP_RUNS + 2)
    segmenter = Segmenter(tmp_path / "views.safetensors", poses=True)
    for pose in poses:
        segmenter.segment(IMAGE, pose)
    assert segmenter.memory.views == 3 and "Segmenting on the CPU" in segmenter.trouble
    assert segmenter.view_from(poses[0])[0].shape == (16, 16)


def test_a_gpu_that_fails_at_once_is_passed_over_unless_it_was_asked_for(
    gpu: Callable[[int], None], tiny_weights: Path
) -> None:
    gpu(0)
    segmenter = Segmenter(tiny_weights, threads=1)
    assert segmenter.runtime.description.startswith("OpenVINO") and "CUDA error" in segmenter.trouble
    with pytest.raises(DeviceFailed, match="CUDA error: unspecified launch failure$"):
        Segmenter(tiny_weights, device="cuda")
