"""`lds export`: a model as files for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lds_cli.console import made_folder, print_written
from lds_cli.options import Weights


def export(
    weights: Weights,
    out: Annotated[Path, typer.Option(help="Folder to write to.", show_default=False)],
    to: Annotated[str, typer.Option(help="openvino.")] = "openvino",
) -> None:
    """Write a model for other programs: OpenVINO files (.xml, .bin), and model.json, which says what goes in and out.

    Example: lds export monet_lds_table --to openvino --out /tmp/monet
    """
    from lds_models.weights import load_weights
    from perception.export import export_openvino

    if to != "openvino":
        raise typer.BadParameter(f"there is no '{to}', only openvino", param_hint="--to")
    for file in export_openvino(load_weights(weights), made_folder(out)):
        print_written(file)
