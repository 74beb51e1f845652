"""What `lds bench perception` measures: models alone, the pipeline, and the node (`bench_node`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lds_cli.bench_node import node_rows
from lds_cli.bench_rows import Row, interleaved_medians

if TYPE_CHECKING:
    import numpy as np

    from lds_models.model import SceneModel

WEIGHTS = "monet_lds_table"
ROUNDS = 60


def perception_rows() -> list[Row]:
    """The rows `MODEL/model*`, `MODEL/*` of the shipped weights, and `MODEL/node*`."""
    return [*_model_rows(), *_iterative_rows(), *_shipped_rows(), *node_rows()]


def _model_rows() -> list[Row]:
    """MONet at the paper's size, one image of 64x64: OpenVINO against eager float32 torch."""
    from lds_models.monet import MONet, MONetConfig
    from perception.executors import eager, openvino
    from perception.runtime import SlotRuntime

    model = MONet(MONetConfig()).eval()
    image = _image(64)
    runtimes = [SlotRuntime(model, openvino()), SlotRuntime(model, openvino("f32")), SlotRuntime(model, eager("cpu"))]
    fast, f32, eager = (1e3 * t for t in interleaved_medians([_run(r, image) for r in runtimes], ROUNDS))
    return [
        Row("monet/model", fast, "ms", eager, eager / fast),
        Row("monet/model_f32", f32, "ms", eager, eager / f32),
    ]


def _iterative_rows() -> list[Row]:
    """IODINE (an image) and MulMON (one more view) at the paper's size, all iterations, against eager float32 torch."""
    import numpy as np
    import torch

    from lds_models.iodine import IODINE, IODINEConfig
    from lds_models.mulmon import MulMON, MulMONConfig
    from perception.executors import openvino
    from perception.runtime import SlotRuntime, ViewRuntime

    iodine, mulmon = IODINE(IODINEConfig()).eval(), MulMON(MulMONConfig()).eval()
    image, viewpoint = _image(64), np.zeros(3, np.float32)
    picture, from_where = torch.from_numpy(image)[None, None], torch.zeros(1, 1, 3)
    views = ViewRuntime(mulmon, openvino())
    functions = [
        _run(SlotRuntime(iodine, openvino()), image),
        lambda: iodine.infer(picture),
        lambda: views.fuse(image, viewpoint, None),
        lambda: mulmon.fuse(picture, from_where),
    ]
    times = [1e3 * seconds for seconds in interleaved_medians(functions, ROUNDS // 4)]
    return [
        Row(f"{name}/model", fast, "ms", eager, eager / fast)
        for name, fast, eager in (("iodine", *times[:2]), ("mulmon", *times[2:]))
    ]


def _shipped_rows() -> list[Row]:
    """The shipped weights' model, and all that turns an image of 640x480 into labels and objects."""
    import numpy as np

    from lds_models.weights import load_weights
    from perception.executors import eager
    from perception.runtime import SlotRuntime
    from perception.segmenter import Segmenter

    segmenter = Segmenter(WEIGHTS, device="cpu")
    model: SceneModel = load_weights(WEIGHTS).model
    image = _image(model.image_size)
    frame = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    functions = [
        _run(segmenter.runtime, image),
        _run(SlotRuntime(model, eager("cpu")), image),
        lambda: segmenter.segment(frame),
    ]
    fast, eager, segment = (1e3 * t for t in interleaved_medians(functions, ROUNDS))
    return [
        Row(f"{WEIGHTS}/model", fast, "ms", eager, eager / fast),
        Row(f"{WEIGHTS}/segment_640x480", segment, "ms"),
    ]


def _image(size: int) -> np.ndarray:
    import numpy as np

    return np.random.default_rng(0).random((3, size, size), np.float32)


def _run(runtime: Callable, image: np.ndarray) -> Callable[[], object]:
    return lambda: runtime(image)
