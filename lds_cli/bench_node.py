"""What `lds bench perception` measures of the node, between a camera of 640x480 at 30 Hz and a listener."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lds_cli.bench_rows import Row

if TYPE_CHECKING:
    from perception.score import Measured

WEIGHTS = {"monet": "monet_lds_table", "iodine": "iodine_lds_table", "mulmon": "mulmon_lds_table"}
WORLD = {"mulmon": "world"}  # multi-view models need poses
SCENES = 2
SETTLING = 5.0  # seconds until an idle node has done all that it does at its start
IDLE_SECONDS = 20.0


def node_rows(models: Sequence[str], seconds: float) -> list[Row]:
    """Rows `MODEL/node` (stamp to label received), `node_p99`, `node_rate`, `node_lost` of each; `monet/idle`.

    Args:
        seconds: how long each model's node is measured.
    """
    from lds_cli.bench_scenes import render_scenes

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        render_scenes(out / "scenes", SCENES)
        rows = [row for model in models for row in _listened(model, seconds, out)]
        return [*rows, Row("monet/idle", 100 * _idle_load(out), "% of a core")]


def _listened(model: str, seconds: float, folder: Path) -> list[Row]:
    import numpy as np

    measured = _measure(model, seconds, folder)
    latency, p99 = 1e3 * np.percentile(measured.latencies, [50, 99])
    rate, of_camera = measured.label_rate, measured.image_rate
    return [
        Row(f"{model}/node", float(latency), "ms", peak_memory_mb=measured.peak_memory_mb),
        Row(f"{model}/node_p99", float(p99), "ms"),
        Row(f"{model}/node_rate", rate, "Hz", of_camera, rate / of_camera),
        Row(f"{model}/node_lost", measured.lost, "images"),
    ]


def _measure(model: str, seconds: float, folder: Path) -> Measured:
    from lds_cli.demo import NODES, run_nodes
    from lds_cli.launching import choose_master
    from perception.score import read_measured

    score = folder / model
    master, world = choose_master(NODES), WORLD.get(model, "")
    run_nodes(folder / "scenes", folder / f"{model}.log", WEIGHTS[model], master, score, seconds, world)
    return read_measured(score)


def _idle_load(folder: Path) -> float:
    """What share of a core the node takes while a camera runs and nobody listens."""
    from lds_cli.demo import NODES
    from lds_cli.launching import Launch, choose_master

    arguments = {"data": folder / "scenes", "weights": WEIGHTS["monet"]}
    with Launch("demo.launch", arguments, choose_master(NODES), folder / "idle.log") as launch:
        launch.wait_for_master("/segmentation")
        process = launch.process_of("/segmentation")
        time.sleep(SETTLING)
        before, began = _cpu_seconds(process), time.monotonic()
        time.sleep(IDLE_SECONDS)
        return (_cpu_seconds(process) - before) / (time.monotonic() - began)


def _cpu_seconds(process: int) -> float:
    """User and system time of a process so far (proc(5))."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
