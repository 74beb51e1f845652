"""Models as OpenVINO files, for programs that are not ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from lds_models.model import MultiViewModel
from lds_models.weights import LoadedModel
from perception.graphs import conversions


def export_openvino(loaded: LoadedModel, out: Path) -> list[Path]:
    """Write NAME.xml and NAME.bin of each graph of a model, and model.json, which tells what goes in and comes out.

    Of single-view models that is `slots`; of multi-view ones `fuse` (one more view) and `render`. Numbers are float32;
    a runtime may compute in less.

    Raises:
        OSError: the folder cannot be written.
    """
    import openvino

    out.mkdir(parents=True, exist_ok=True)
    files, graphs = [], {}
    for name, graph in conversions(loaded.model).items():
        path = out / f"{name}.xml"
        openvino.save_model(graph.convert(), path, compress_to_fp16=False)
        files += [path, path.with_suffix(".bin")]
        graphs[name] = {"inputs": graph.inputs, "outputs": graph.outputs}
    described: dict[str, Any] = {"name": loaded.name, "digest": loaded.digest, "graphs": graphs, "card": loaded.card}
    if isinstance(loaded.model, MultiViewModel):
        described["viewpoints"] = loaded.model.viewpoint_kind
        described["before_the_first_view"] = _start(loaded.model)
    files.append(out / "model.json")
    files[-1].write_text(json.dumps(described, indent=1), encoding="utf-8")
    return files


def _start(model: MultiViewModel) -> dict[str, list[float]]:
    """Mean and logvar [D] of every slot."""
    mean, logvar = model.initial.detach().to(torch.float32).chunk(2)
    return {"mean": mean.tolist(), "logvar": logvar.tolist()}
