"""Run the capture package's nodes from a command, starting what does not run yet."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from lds_cli.console import console
from lds_cli.launching import Launch, LaunchError, choose_master, log_folder, nodes_of, run_in_terminal
from lds_cli.running_rig import differences, settings_of_node

CAPTURE_NODE, SIMULATION_NODE = "/capture", "/simulation"


class BadOption(Exception):
    """An option is missing, or does not do."""

    exit_code = 2


@dataclass(frozen=True)
class Rig:
    """With what to record: names from config/, or YAML files; None: what the simulation has, if it is simulated."""

    simulated: bool
    robot: str | None = None
    camera: str | None = None
    calibration: Path | None = None


class NotRecorded(Exception):
    """The scenes were not recorded, for a reason that was told before."""

    exit_code = 1


def record_simulated(
    dataset: Path, scenes: int, views: int, seed: int, note: str = "", master: str | None = None
) -> None:
    """Record all over a hemisphere with the simulated rig, which rearranges its cubes. Raises as `run_recording` does.

    Raises:
        NotRecorded: not all was recorded.
    """
    goal = {
        "dataset": str(dataset.resolve()), "scenes": scenes, "views": views, "viewpoints": "hemisphere", "seed": seed,
        "auto": True, "note": note,
    }  # fmt: skip
    if not run_recording(goal, Rig(simulated=True), master):
        raise NotRecorded("the scenes were not recorded, see above")


def run_recording(goal: Mapping[str, object], rig: Rig, master: str | None = None) -> bool:
    """Record, with the progress on the terminal, where the operator is asked as well; whether all was recorded.

    Args:
        goal: fields of RecordScenes' goal.
        master: the URI of the ROS master; None: see `choose_master`.

    Raises:
        BadOption: nothing says which robot or camera, or the capture node that runs already has others.
        LaunchError: ROS is not on the path, or the nodes ended.
    """
    launch = None
    with ExitStack() as stack:
        master = master or choose_master([])
        running = nodes_of(master) or set()
        wanted = {"node": CAPTURE_NODE not in running, "simulated": rig.simulated and SIMULATION_NODE not in running}
        if wanted["node"] and not rig.simulated and None in (rig.robot, rig.camera):
            raise BadOption("which robot and camera? Say --robot and --camera, or --simulated")
        if not wanted["node"]:
            _expect_same(rig, master)
        if any(wanted.values()):
            log = log_folder() / f"lds_capture_{os.getpid()}.log"
            arguments = {
                **{name: str(value).lower() for name, value in wanted.items()},
                "robot": name_or_file(rig.robot or "simulated"),
                "camera": name_or_file(rig.camera or "simulated"),
                "calibration": _calibration(rig),
            }
            launch = stack.enter_context(Launch("capture.launch", arguments, master, log))
            console.print(f"[dim]roscore at {master}; what the nodes say: {log}[/]", soft_wrap=True)
            launch.wait_for_master(CAPTURE_NODE)  # which takes its time on a slow machine
        names = [f"~{name}:={CAPTURE_NODE}/{name}" for name in ("record", "next_scene")]
        done = run_in_terminal("record_node.py", [json.dumps(goal), *names], master) == 0
        if not done and launch is not None and launch.wait(0):
            raise LaunchError(f"the nodes ended: {launch.reason()}. All that they said is in {launch.log}")
        return done


def run_teaching(file: Path, robot: str) -> bool:
    """Let the operator teach viewpoints in this terminal; whether they were saved."""
    arguments = [f"_file:={file.resolve()}", f"_robot:={name_or_file(robot)}"]
    return run_in_terminal("teach_node.py", arguments) == 0


def name_or_file(name: str) -> str:
    """A file's whole path, as nodes run in another folder; a name as it is."""
    return str(Path(name).resolve()) if Path(name).is_file() else name


def _expect_same(rig: Rig, master: str) -> None:
    """Tell with what the capture node records that runs already. Raises BadOption where that is not what was given."""
    used = settings_of_node(CAPTURE_NODE, master)
    simulated = "simulated" if rig.simulated else None
    robot, camera = rig.robot or simulated, rig.camera or simulated
    asked = {
        "robot": robot and name_or_file(robot),
        "camera": camera and name_or_file(camera),
        "calibration": None if rig.calibration is None else str(rig.calibration.resolve()),
    }
    where = f"{CAPTURE_NODE} runs already at {master}"
    if others := differences(asked, used):
        remedy = "stop it, so that one of yours is started, or leave the options out to record with what it has"
        raise BadOption(f"{where}, with {' and '.join(others)}: {remedy}")
    told = ", ".join(f"{name} {value or 'none'}" for name, value in used.items())
    console.print(f"{where}, and records with its own {told}", style="yellow", markup=False, soft_wrap=True)


def _calibration(rig: Rig) -> Path | str:
    if rig.calibration is not None:
        return rig.calibration.resolve()
    return "simulated" if rig.simulated else ""
