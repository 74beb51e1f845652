"""What processes take from the machine, sampled from /proc, and whether it grows."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import theilslopes

PAGE, TICK = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Use:
    """Of a process: memory of its own (MB), open files, threads, and the seconds that it has computed so far.

    Pages of files do not count: they come and go with what else the machine does.
    """

    memory: float
    handles: int
    threads: int
    cpu: float


def use_of(pid: int) -> Use:
    """Raises OSError where the process is gone."""
    process = Path(f"/proc/{pid}")
    resident, of_files = map(int, (process / "statm").read_text().split()[1:3])
    times = (process / "stat").read_text().rpartition(")")[2].split()[11:13]  # utime, stime
    counts = (len(os.listdir(process / part)) for part in ("fd", "task"))
    return Use((resident - of_files) * PAGE / 2**20, *counts, sum(map(int, times)) / TICK)


def nodes_marked(mark: str) -> dict[str, int]:
    """The ROS nodes that roslaunch started with LDS_TEST_MARK in their environment: their process by their name."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            ours = f"LDS_TEST_MARK={mark}".encode() in (process / "environ").read_bytes()
            name = re.search(r"\0__name:=([^\0]+)", (process / "cmdline").read_text())
        except OSError:
            continue
        if ours and name:
            found[name[1]] = int(process.name)
    return found


def growth(times: Sequence[float], values: Sequence[float]) -> float:
    """How much `values` grow from the first to the last of `times`, by the median of all slopes: outliers do not count.

    Example: growth([0, 1, 2, 3], [5, 6, 99, 8]) is 3.
    """
    slope = theilslopes(values, times).slope
    return float(slope * np.ptp(times))
