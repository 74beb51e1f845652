"""Run the capture node's action from a command: start what does not run yet, and show how far it has come."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from lds_cli.console import console
from lds_cli.launching import Launch, choose_master, nodes_of

CAPTURE_NODE, SIMULATION_NODE = "/capture", "/simulation"


@dataclass(frozen=True)
class Rig:
    """With what to record: names from config/, or YAML files; without a calibration the simulation's is its truth."""

    simulated: bool
    robot: str = "simulated"
    camera: str = "simulated"
    calibration: Path | None = None


def run_recording(goal: dict[str, object], rig: Rig) -> bool:
    """Record, with the progress on the terminal, where the operator is asked as well; whether all was recorded.

    Args:
        goal: fields of RecordScenes' goal.

    Raises:
        LaunchError: ROS is not on the path.
    """
    with ExitStack() as stack:
        master = choose_master([])
        running = nodes_of(master) or set()
        wanted = {"node": CAPTURE_NODE not in running, "simulated": rig.simulated and SIMULATION_NODE not in running}
        if any(wanted.values()):
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            log = Path(os.environ.get("ROS_LOG_DIR", scratch)) / "lds_capture.log"
            arguments = {name: str(value).lower() for name, value in wanted.items()} | {
                "robot": name_or_file(rig.robot),
                "camera": name_or_file(rig.camera),
                "calibration": _calibration(rig, scratch),
            }
            stack.enter_context(Launch("capture.launch", arguments, master, log))
            console.print(f"[dim]roscore at {master}; what the nodes say: {log}[/]", soft_wrap=True)
        client = ["rosrun", "lds_scenes", "record_node.py", json.dumps(goal)]
        ended = subprocess.run(
            [*client, f"~record:={CAPTURE_NODE}/record", f"~next_scene:={CAPTURE_NODE}/next_scene"],
            env={**os.environ, "ROS_MASTER_URI": master},
        )
    return ended.returncode == 0


def name_or_file(name: str) -> str:
    """A file's whole path, as nodes run in another folder; a name as it is."""
    return str(Path(name).resolve()) if Path(name).is_file() else name


def _calibration(rig: Rig, scratch: Path) -> Path | str:
    if rig.calibration is not None:
        return rig.calibration.resolve()
    if not rig.simulated:
        return ""
    from capture.calibration.calibration import save_calibration
    from capture.simulation.true_calibration import true_calibration

    path = scratch / "calibration.yaml"
    save_calibration(path, true_calibration())
    return path
