"""What `lds bench capture` measures: a scene recorded by the simulated rig at its usual speed, and storing alone."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from lds_cli.bench_rows import Row

VIEWS = 24
STORED = 50


def capture_rows() -> list[Row]:
    """The rows `capture/...`: a scene, a view, the next scene, the rig's pictures, storing a view."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        return [*_recording_rows(Path(folder)), _store_row(Path(folder) / "stored")]


def _recording_rows(folder: Path) -> list[Row]:
    from lds_cli.launching import Launch, choose_master
    from lds_cli.recording import CAPTURE_NODE, SIMULATION_NODE

    master = choose_master([SIMULATION_NODE, CAPTURE_NODE])
    with Launch("sim.launch", {}, master, folder / "simulation.log") as launch:
        launch.wait_for_master(SIMULATION_NODE)
        rate = _record(folder / "dataset", master)
    scenes = [_events(path) for path in sorted(folder.glob("dataset/journals/*.jsonl"))]
    views = [event for events in scenes for event in events if event["event"] == "timed"]
    ends = [max(event["time"] for event in events if event["event"] == "timed") for events in scenes]
    durations = [end - events[0]["time"] for events, end in zip(scenes, ends, strict=True)]
    return [
        Row(f"capture/scene_of_{VIEWS}_views", median(durations), "s"),
        Row("capture/view_approach", median(view["approach"] for view in views), "s"),
        Row("capture/view_recording", median(view["take"] + view["store"] for view in views), "s"),
        Row("capture/next_scene", scenes[1][0]["time"] - ends[0], "s"),
        Row("capture/rig_rate", rate, "Hz"),
    ]


def _record(dataset: Path, master: str) -> float:
    """Record two scenes; the rate of the rig's pictures meanwhile, Hz."""
    from lds_cli.launching import environment_under
    from lds_cli.recording import record_simulated

    command = ["rostopic", "hz", "--window", "300", "/camera/image_raw"]
    listener = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment_under(master))
    try:
        record_simulated(dataset, 2, VIEWS, seed=0, master=master)
    finally:
        listener.send_signal(signal.SIGINT)
    rates = re.findall(r"average rate: ([\d.]+)", listener.communicate()[0])
    return median(map(float, rates))


def _events(journal: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in journal.read_text().splitlines()]


def _store_row(folder: Path) -> Row:
    """Storing a view of 640x480 with depth and truth, until it is on the disk."""
    import numpy as np

    from capture.storage.recorded_view import RecordedView
    from capture.storage.recording_folder import RecordingFolder
    from capture.storage.space import view_bytes

    rng = np.random.default_rng(0)
    view = RecordedView(
        image=rng.integers(0, 256, (480, 640, 3), np.uint8), stamp=0.0, T_world_camera=np.eye(4), K=np.eye(3),
        distortion=np.zeros(5), depth=rng.random((480, 640), np.float32), truth=np.zeros((480, 640), np.uint8),
        joint_positions=np.zeros(6),
    )  # fmt: skip
    times = []
    with RecordingFolder(folder) as recording:
        scene = recording.begin_scene({}, STORED, view_bytes(480, 640, depth=True, truth=True))
        for index in range(STORED):
            began = time.perf_counter()
            scene.store(index, view)
            times.append(1e3 * (time.perf_counter() - began))
    return Row("capture/store", median(times), "ms")
