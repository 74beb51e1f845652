"""Children that are killed at random moments, again and again, until one comes to its end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from nursery import Nursery

# What `datasets.atomic.whole_file` names what is not whole yet, and what whoever packs holds locked meanwhile.
UNFINISHED = (".writing", ".lock")


def duration(nursery: Nursery, function: Callable[..., object], *arguments: object) -> float:
    """Seconds that a child takes undisturbed. Run it before, for it is slower where it is the first."""
    started = time.monotonic()
    assert nursery.wait(nursery.start(function, *arguments)) == 0
    return time.monotonic() - started


def killed(nursery: Nursery, seconds: float, function: Callable[..., object], *arguments: object) -> bool:
    """Run a function in a child and kill it after `seconds`. Whether it was killed, and not done before."""
    child = nursery.start(function, *arguments)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)  # it is a zombie at worst: the nursery has not waited for it
    code = nursery.wait(child)
    assert code in (0, -signal.SIGKILL), f"exit code {code}: see its traceback above"
    return code != 0


def moment(rng: Random, seconds: float) -> float:
    """When to kill what takes so long: anywhere, a little after its end included."""
    return rng.uniform(0, 1.05 * seconds)


def finished_files(folder: Path) -> set[Path]:
    """The files that have their final names."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder) for path in files if not path.name.endswith(UNFINISHED)}
