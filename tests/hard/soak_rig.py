"""The simulated rig with all that is recorded and perceived with it, run for hours."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

from process_use import nodes_marked

NODES = {"simulation", "robot_state_publisher", "capture", "hand_eye", "segmentation"}
SCENES, VIEWS = 2, 4  # of each goal
PATIENCE = 180.0  # seconds for what takes a moment on an idle machine


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
