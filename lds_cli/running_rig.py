"""With what a capture node that runs already records, and whether that is what was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast
from xmlrpc.client import ServerProxy

from lds_models.presets import config_folder

SETTINGS = {"robot": "robots", "camera": "cameras", "calibration": None}  # parameters, and their folders in config/


def settings_of_node(node: str, master: str) -> dict[str, str]:
    """The robot, camera and calibration that a capture node has as its parameters; "" where one is not set."""
    server = ServerProxy(master)
    answers = {name: cast("tuple[int, str, object]", server.getParam("/lds", f"{node}/{name}")) for name in SETTINGS}
    return {name: str(value) if code == 1 else "" for name, (code, _, value) in answers.items()}


def differences(asked: Mapping[str, str | None], used: Mapping[str, str]) -> list[str]:
    """What was asked for and is not used, in words; None: it was not asked for.

    A name from config/ and its file are the same. A path that is not whole may mean another file to the node, and so is
    the same as nothing but itself.
    """
    return [
        f"{name} {used[name] or 'none'}, not {value}"
        for name, value in asked.items()
        if value is not None and _meant(name, value) != _meant(name, used[name])
    ]


def _meant(setting: str, value: str) -> str:
    """The file that a name or a whole path stands for, links followed; else `value` itself."""
    kind = SETTINGS[setting]
    named = config_folder() / kind / f"{value}.yaml" if kind else Path(value)
    file = named if named.is_file() else Path(value)
    return str(file.resolve()) if file.is_absolute() else value
