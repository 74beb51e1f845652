"""Hours of simulation, recording and perception together: nothing grows, labels keep coming, every scene is whole.

LDS_SOAK_MINUTES says how long; without it, two hours of LDS_HARD=full, and one minute otherwise. Cameras are slow and
pictures small, so that it can run beside other work. The samples are in runs/soak/ while it runs.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from process_use import growth, nodes_marked, use_of

from datasets.check import check_dataset
from datasets.loading import open_dataset

ROOT = Path(__file__).resolve().parent.parent.parent
NODES = {"simulation", "robot_state_publisher", "capture", "hand_eye", "segmentation"}
SCENES, VIEWS = 2, 4  # of each goal
PATIENCE = 180.0  # seconds for what takes a moment on an idle machine
SILENCE = 60.0  # seconds without a label that even a busy machine does not come to
SETTLING = 0.25  # of the time; what comes before is not judged
# What the median slope may add up to over the time that is judged, and memory in an hour beside that (MB).
LIMITS = {"memory": 6.0, "handles": 3.0, "threads": 2.0}
MEMORY_AN_HOUR = 4.0


@pytest.fixture(scope="session")
def minutes() -> float:
    usual = 120 if os.environ.get("LDS_HARD") == "full" else 1
    return float(os.environ.get("LDS_SOAK_MINUTES", usual))


class Rig:
    """robot.launch, simulated, and a listener to its labels. Its processes carry a mark."""

    def __init__(self, folder: Path) -> None:
        self.dataset, self.log, self._latencies = folder / "dataset", folder / "log", folder / "latencies"
        self._mark = uuid.uuid4().hex
        small = ("rate:=3", "width:=320", "height:=240")
        launch = ["roslaunch", "lds_scenes", "robot.launch", "simulated:=true", "record:=true", *small]
        listen = [sys.executable, str(Path(__file__).with_name("label_listener.py"))]
        self._launch = self._start(launch, self.log)
        self._listener = self._start(listen, self._latencies)
        self._read = 0  # lines of latencies
        self.goals = 0

    def record(self) -> subprocess.Popen:
        """Begin to record SCENES scenes as `lds capture record` does."""
        goal = {
            "dataset": str(self.dataset), "scenes": SCENES, "views": VIEWS, "viewpoints": "ring", "auto": True,
            "seed": self.goals,
        }  # fmt: skip
        self.goals += 1
        names = [f"~{name}:=/capture/{name}" for name in ("record", "next_scene")]
        return self._start(["rosrun", "lds_scenes", "record_node.py", json.dumps(goal), *names], self.log)

    def nodes(self) -> dict[str, int]:
        """The process of each node; fails the test where one does not come."""
        deadline = time.monotonic() + PATIENCE
        while (found := nodes_marked(self._mark)).keys() != NODES:
            assert time.monotonic() < deadline, f"only {sorted(found)} run: {self.said()}"
            time.sleep(0.5)
        return found

    def wait_for_labels(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while not self.latencies():
            assert time.monotonic() < deadline, f"no label comes: {self.said()}"
            time.sleep(0.5)

    def latencies(self) -> list[float]:
        """Of the labels that came since this was asked last, seconds."""
        lines = self._latencies.read_text().splitlines(keepends=True)
        new = [float(line) for line in lines[self._read :] if line.endswith("\n")]
        self._read += len(new)
        return new

    def said(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]

    def close(self) -> None:
        for process in (self._listener, self._launch):
            process.send_signal(signal.SIGINT)
        for process in (self._listener, self._launch):
            process.wait(PATIENCE)

    def _start(self, command: list[str], output: Path) -> subprocess.Popen:
        with output.open("ab") as log:
            environment = {**os.environ, "LDS_TEST_MARK": self._mark}
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment
            )


@pytest.fixture
def rig(ros_master: str, tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def finish(recording: subprocess.Popen, rig: Rig) -> None:
    assert recording.wait(PATIENCE) == 0, rig.said()


def sample(began: float, nodes: dict[str, int], rig: Rig) -> dict[str, float]:
    """A row of the table, of which latencies are NaN where no label came. Raises OSError where a node is gone."""
    latencies = rig.latencies()
    row = {"seconds": time.monotonic() - began, "goals": rig.goals, "labels": len(latencies)}
    row |= {
        "latency_ms": 1000 * float(np.median(latencies or np.nan)),
        "latency_worst_ms": 1000 * max(latencies, default=np.nan),
    }
    for name, pid in nodes.items():
        row |= {f"{name}.{what}": value for what, value in vars(use_of(pid)).items()}
    return row


def soak(rig: Rig, seconds: float, table: Path) -> list[dict[str, float]]:
    """Record one goal after another, and sample all the time, into the table as well."""
    every, pause = max(2.0, seconds / 600), min(60.0, seconds / 20)
    nodes = rig.nodes()
    finish(rig.record(), rig)
    rig.wait_for_labels()  # all is loaded then
    began = rested = heard = time.monotonic()
    recording, rows = rig.record(), []
    with table.open("w", newline="") as file:
        while (now := time.monotonic()) < began + seconds:
            time.sleep(every)
            rows.append(sample(began, nodes, rig))
            heard = now if rows[-1]["labels"] else heard
            assert now < heard + SILENCE, f"no label came for {now - heard:.0f} s: {rig.said()}"
            if len(rows) == 1:
                writer = csv.DictWriter(file, rows[0])
                writer.writeheader()
            writer.writerow({name: round(value, 3) for name, value in rows[-1].items()})
            file.flush()
            if recording.poll() is None:
                rested = now
            elif now > rested + pause:
                finish(recording, rig)
                recording = rig.record()
    finish(recording, rig)
    return rows


def grown(rows: list[dict[str, float]]) -> dict[str, float]:
    """By how much each node's memory, handles and threads grew after the settling time."""
    judged = rows[int(SETTLING * len(rows)) :]
    times = [row["seconds"] for row in judged]
    names = [name for name in rows[0] if name.partition(".")[2] in LIMITS]
    return {name: growth(times, [row[name] for row in judged]) for name in names}


def in_a_line(rows: list[dict[str, float]], rig: Rig, grew: dict[str, float]) -> str:
    minutes, last = rows[-1]["seconds"] / 60, rows[-1]
    cpu = sum(last[f"{node}.cpu"] - rows[0][f"{node}.cpu"] for node in NODES) / (last["seconds"] - rows[0]["seconds"])
    nodes = ", ".join(
        f"{node} {last[f'{node}.memory']:.0f} MB ({grew[f'{node}.memory']:+.1f}), {last[f'{node}.handles']} files "
        f"({grew[f'{node}.handles']:+.1f}), {last[f'{node}.threads']} threads ({grew[f'{node}.threads']:+.1f})"
        for node in sorted(NODES)
    )
    latency, worst = (np.array([row[name] for row in rows]) for name in ("latency_ms", "latency_worst_ms"))
    return (
        f"{time.strftime('%Y-%m-%d %H:%M')}: {minutes:.0f} minutes, {rig.goals * SCENES} scenes of {VIEWS} views, "
        f"{sum(row['labels'] for row in rows)} labels, latency {np.nanmedian(latency):.0f} ms (median; the "
        f"worst {np.nanmax(worst):.0f} ms), {100 * cpu:.0f} % of a core; {nodes}"
    )


def test_nothing_grows_and_every_scene_is_whole(rig: Rig, minutes: float) -> None:
    folder = ROOT / "runs/soak"
    folder.mkdir(parents=True, exist_ok=True)
    rows = soak(rig, 60 * minutes, folder / f"soak_{minutes:g}_minutes.csv")
    grew = grown(rows)
    (folder / f"soak_{minutes:g}_minutes.txt").write_text(in_a_line(rows, rig, grew) + "\n")
    scenes = open_dataset(rig.dataset)
    assert [scene.num_views for scene in scenes] == [VIEWS] * (rig.goals * SCENES)
    assert check_dataset(scenes).problems == []
    limits = {**LIMITS, "memory": LIMITS["memory"] + MEMORY_AN_HOUR * minutes / 60}
    too_much = {name: by for name, by in grew.items() if by > limits[name.partition(".")[2]]}
    assert not too_much, f"{too_much} more, where {limits} are the limits"
