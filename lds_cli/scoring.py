"""Run perception for some time under a launch file whose scorer listens, and read what it measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lds_cli.console import console
from lds_cli.launching import Launch

if TYPE_CHECKING:
    from perception.score import Measured

START_UP = 180.0  # seconds that the nodes may take beyond the time they measure


class NothingMeasured(Exception):
    """No segmentation came. The message says why."""

    exit_code = 1


def run_scored(
    file: str, arguments: Mapping[str, object], master: str, log: Path, score: Path, seconds: float
) -> Measured:
    """What the scorer of a launch file measures in so many seconds; it writes to the folder `score`.

    Raises:
        NothingMeasured: no labels came, or the launch did not end.
        LaunchError: ROS is not on the path.
    """
    from perception.score import read_measured

    given, doing = {**arguments, "score": score, "seconds": seconds}, f"roscore and the nodes of {file} run ..."
    with Launch(file, given, master, log) as launch, console.status(doing):
        ended = launch.wait(seconds + START_UP)
    if not (score / "score.json").exists():
        why = launch.reason() if ended else f"the nodes did not end within {seconds + START_UP:.0f} s"
        raise NothingMeasured(f"no labels came: {why}. All that the nodes said is in {log}")
    return read_measured(score)
