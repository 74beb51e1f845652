"""What `lds bench rig` measures: perception on a simulated rig whose arm moves, over minutes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from lds_cli.bench_rows import Row
from lds_cli.launching import choose_master
from lds_cli.scoring import run_scored

if TYPE_CHECKING:
    from perception.score import Measured

NODES = ["/simulation", "/segmentation", "/wander", "/scorer", "/hand_eye"]
NO_DEPTH = "/camera/no_depth"  # nothing comes on it


def rig_rows(seconds: float, weights: str) -> list[Row]:
    """Rows `rig/*` with depth, and `rig_views/*` with places by views alone, each measured for so many seconds."""
    return [
        *_rows("rig", _measure(seconds, weights, {})),
        *_rows("rig_views", _measure(seconds, weights, {"depth": NO_DEPTH})),
    ]


def _measure(seconds: float, weights: str, arguments: dict[str, object]) -> Measured:
    """Raises NothingMeasured where no labels came."""
    from lds_models.weights import find_weights

    log = Path("runs/bench_rig.log").resolve()
    with tempfile.TemporaryDirectory() as folder:
        given = {"weights": find_weights(weights).resolve(), **arguments}
        return run_scored("rig_score.launch", given, choose_master(NODES), log, Path(folder), seconds)


def _rows(name: str, measured: Measured) -> list[Row]:
    import numpy as np

    latencies, errors = 1e3 * np.array(measured.latencies), 1e3 * np.array(measured.place_errors or [np.nan])
    minutes = measured.labels / max(measured.label_rate, 1e-9) / 60
    return [
        Row(
            f"{name}/labels", measured.label_rate, "Hz", measured.image_rate, measured.label_rate / measured.image_rate
        ),
        Row(f"{name}/latency", float(np.median(latencies)), "ms", peak_memory_mb=measured.peak_memory_mb),
        Row(f"{name}/latency_p99", float(np.percentile(latencies, 99)), "ms"),
        Row(f"{name}/miou", float(np.mean(measured.miou)), ""),
        Row(f"{name}/id_switches", measured.id_switches / minutes, "a minute"),
        Row(f"{name}/found", measured.sightings / max(measured.visible, 1), ""),
        Row(f"{name}/place_error", float(np.median(errors)), "mm"),
        Row(f"{name}/place_error_p90", float(np.percentile(errors, 90)), "mm"),
    ]
