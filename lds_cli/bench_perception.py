"""What `lds bench perception` measures: models alone, the pipeline, and the node (`bench_node`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lds_cli.bench_node import node_rows
from lds_cli.bench_rows import Row, interleaved_medians

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from lds_models.model import MultiViewModel, SceneModel
    from lds_models.mulmon import MulMON
    from perception.executors import Ready

Run = Callable[[], object]

MODELS = ("monet", "iodine", "mulmon")
WEIGHTS = "monet_lds_table"
ROUNDS = 30


def perception_rows(models: Sequence[str] = MODELS, seconds: float = 30) -> list[Row]:
    """The rows `MODEL/model*` at the paper's size, `monet_lds_table/*` of the shipped weights, and `MODEL/node*`.

    Args:
        seconds: how long each model's node is measured.
    """
    rows = [row for name in models for row in _model_rows(name)]
    return [*rows, *_shipped_rows(), *node_rows(models, seconds)]


def _model_rows(name: str) -> list[Row]:
    """One image of 64x64 (of MulMON one more view of a scene, and its masks) at the paper's size.

    The reference is the model as the literature writes it, in eager float32 torch; `model_torch` is our own torch code.
    """
    import torch

    from lds_models.reference import plain
    from lds_models.registry import build_model
    from perception.executors import openvino

    torch.manual_seed(0)
    model = build_model({"name": name}).eval()
    image = _image(model.image_size)
    runs = {
        "model": _runtime(model, image, openvino()),
        "model_f32": _runtime(model, image, openvino("f32")),
        "model_torch": _eager(model, image),
    }
    *medians, reference = _milliseconds([*runs.values(), _eager(plain(model), image)])
    return [_against(reference, f"{name}/{what}", median) for what, median in zip(runs, medians, strict=True)]


def _shipped_rows() -> list[Row]:
    """The shipped weights' model, and all that turns an image of 640x480 into labels and objects."""
    import numpy as np

    from lds_models.reference import plain
    from lds_models.weights import load_weights
    from perception.segmenter import Segmenter

    segmenter = Segmenter(WEIGHTS, device="cpu")
    model = load_weights(WEIGHTS).model
    image = _image(model.image_size)
    frame = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    runs = [lambda: segmenter.runtime(image), lambda: segmenter.segment(frame), _eager(plain(model), image)]
    fast, segment, reference = _milliseconds(runs)
    return [_against(reference, f"{WEIGHTS}/model", fast), Row(f"{WEIGHTS}/segment_640x480", segment, "ms")]


def _runtime(model: SceneModel, image: np.ndarray, ready: Ready) -> Run:
    from lds_models.mulmon import MulMON
    from perception.runtime import SlotRuntime

    if isinstance(model, MulMON):
        return _view_runtime(model, image, ready)
    runtime = SlotRuntime(model, ready)
    return lambda: runtime(image)


def _view_runtime(model: MulMON, image: np.ndarray, ready: Ready) -> Run:
    from perception.runtime import ViewRuntime

    runtime, viewpoint = ViewRuntime(model, ready), _viewpoints(model)[0, 0].numpy()
    return lambda: runtime.explain(image, runtime.fuse(image, viewpoint, None).mean, viewpoint)


def _eager(model: SceneModel, image: np.ndarray) -> Run:
    import torch

    from lds_models.model import MultiViewModel

    images = torch.from_numpy(image)[None, None]
    viewpoints = _viewpoints(model) if isinstance(model, MultiViewModel) else None
    return torch.no_grad()(lambda: model.infer(images, viewpoints))


def _viewpoints(model: MultiViewModel) -> Tensor:
    import torch

    from lds_models.mulmon import VIEWPOINT_DIMS

    return torch.zeros(1, 1, VIEWPOINT_DIMS[model.viewpoint_kind])


def _image(size: int) -> np.ndarray:
    import numpy as np

    return np.random.default_rng(0).random((3, size, size), np.float32)


def _milliseconds(runs: list[Run]) -> list[float]:
    return [1e3 * seconds for seconds in interleaved_medians(runs, ROUNDS)]


def _against(reference: float, name: str, median: float) -> Row:
    return Row(name, median, "ms", reference, reference / median)
