"""How much memory processes have had."""

from __future__ import annotations

import sys
from pathlib import Path


def peak_memory_mb() -> float:
    """The most memory that this process has had at once, MB: of its GPU where it uses one, else of the machine."""
    torch = sys.modules.get("torch")  # who has not imported it uses no GPU
    if torch and torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated() / 2**20
    return peak_resident_mb("self")


def peak_resident_mb(process: int | str) -> float:
    """The largest resident memory that a process of this machine has had, MB.

    Not ru_maxrss, which starts at what the parent process had.

    Raises:
        OSError, IndexError: there is no such process, or it has ended.
    """
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
