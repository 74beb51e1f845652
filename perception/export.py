"""Models as OpenVINO files, for programs that are not ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from datasets.atomic import whole_file
from datasets.scene import DatasetError
from lds_models.mulmon import MulMON
from lds_models.weights import LoadedModel
from perception.graphs import conversions
from perception.runtime import known_at_first


def export_openvino(loaded: LoadedModel, out: Path) -> list[Path]:
    """Write NAME.xml and NAME.bin of each graph of a model, and model.json, which tells what goes in and comes out.

    Of single-view models that is `slots`; of multi-view ones `fuse` (one more view), `explain` (its slots) and `render`
    (other views). Numbers are float32; a runtime may compute in less.

    Raises:
        DatasetError: a file cannot be written.
    """
    import openvino

    out.mkdir(parents=True, exist_ok=True)
    files, graphs = [], {}
    for name, graph in conversions(loaded.model).items():
        path = out / f"{name}.xml"
        converted = graph.convert()
        try:
            openvino.save_model(converted, path, compress_to_fp16=False)
        except RuntimeError as error:
            raise DatasetError(f"{path}: cannot be written; see to space and permissions there") from error
        files += [path, path.with_suffix(".bin")]
        graphs[name] = {"inputs": graph.inputs, "outputs": graph.outputs}
    described: dict[str, Any] = {"name": loaded.name, "digest": loaded.digest, "graphs": graphs, "card": loaded.card}
    if isinstance(loaded.model, MulMON):
        described["viewpoints"] = loaded.model.viewpoint_kind
        known = known_at_first(loaded.model)._asdict()
        described["before_the_first_view"] = {name: values[0].tolist() for name, values in known.items()}
    with whole_file(out / "model.json") as temporary:
        temporary.write_text(json.dumps(described, indent=1), encoding="utf-8")
    return [*files, out / "model.json"]
