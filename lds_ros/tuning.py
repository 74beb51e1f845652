"""Numbers of a node that are changed while it runs, by dynamic_reconfigure (rqt_reconfigure, dynparam)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from dynamic_reconfigure.server import Server


@dataclass(frozen=True)
class Number:
    """A parameter `~name` between `low` and `high`."""

    name: str
    description: str
    default: float
    low: float
    high: float


class Tuning(Server):
    """Tells `changed` all numbers by their names, at the start and whenever one is changed.

    A number that is set as a parameter starts with that value. Unlike dynamic_reconfigure's own, changes are not
    written to the parameter server, where they would outlive the node and change the next one of its name.
    """

    def __init__(self, numbers: Sequence[Number], changed: Callable[[dict[str, float]], None]) -> None:
        names = [number.name for number in numbers]

        def pass_on(config: dict[str, Any], _: int) -> dict[str, Any]:
            changed({name: config[name] for name in names})
            return config

        super().__init__(_described(numbers), pass_on)

    def _copy_to_parameter_server(self) -> None:
        pass


def _described(numbers: Sequence[Number]) -> SimpleNamespace:
    """What dynamic_reconfigure generates of a .cfg file."""
    parameters = [
        {"name": n.name, "type": "double", "level": 0, "description": n.description, "edit_method": ""} for n in numbers
    ]
    group = {
        "name": "Default", "type": "", "state": True, "cstate": "true", "id": 0, "parent": 0,
        "parameters": parameters, "groups": [],
    }  # fmt: skip
    return SimpleNamespace(
        config_description=group,
        defaults={n.name: float(n.default) for n in numbers},
        min={n.name: float(n.low) for n in numbers},
        max={n.name: float(n.high) for n in numbers},
    )
