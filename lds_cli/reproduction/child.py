"""Do one step: its command as a process of its own, which nothing outlives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from lds_cli.processes import POLL, interrupt_with_parent, stop, supervised
from lds_cli.reproduction.ledger import Ledger, ReproductionError
from lds_cli.reproduction.steps import Step

Started = Callable[[subprocess.Popen[bytes]], None]  # is given a step's process

SHOWN_LINES = 3  # of a failed step's log


def do_step(step: Step, ledger: Ledger, started: Started = lambda process: None) -> None:
    """Do a step, unless it is done, and note how it went.

    Raises:
        ReproductionError: it failed, something that it needs is missing, or somebody else is at it.
    """
    with ledger.lock(step) as handle:
        if ledger.is_done(step):
            return
        if missing := [need.name for need in step.needs if not ledger.is_done(need)]:
            raise ReproductionError(f"{step.name}: needs {', '.join(missing)}, which is not done")
        ledger.begin(step)
        began = time.time()
        error: str | None = "interrupted"
        try:
            error = _run(step, ledger.log(step), handle, started)
        finally:
            ledger.end(step, began, error)
        if error is not None:
            raise ReproductionError(f"{step.name} failed: {error} (all of it: {ledger.log(step)})")


def _run(step: Step, log: Path, lock: int, started: Started) -> str | None:
    """What went wrong, or None."""
    if step.finished and (step.folder / step.finished).exists():
        return None  # the result was complete, only its record was not written any more
    step.folder.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        output.write(f"\n$ {step.command}\n".encode())
        output.flush()
        begins = output.tell()
        process = subprocess.Popen(
            supervised([sys.executable, "-m", "lds_cli.main", *step.arguments]),
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, pass_fds=(lock,),
            start_new_session=True, preexec_fn=_at_start, env=os.environ | {"COLUMNS": "120"},
        )  # fmt: skip
    started(process)
    try:
        while (code := process.poll()) is None:
            time.sleep(POLL)
    except BaseException:
        stop(process)
        raise
    return None if code == 0 else _reason(log, begins, code)


def _reason(log: Path, begins: int, code: int) -> str:
    """The last lines of a failed step's log, those of errors before all."""
    with log.open("rb") as file:
        file.seek(begins)
        lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    told = [line for line in lines if line.startswith("error: ")] or lines
    return " | ".join(line.strip() for line in told[-SHOWN_LINES:]) or f"it ended with exit code {code}"


def _at_start() -> None:
    interrupt_with_parent()
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # Slurm's warning, which is for the job (`slurm`)
