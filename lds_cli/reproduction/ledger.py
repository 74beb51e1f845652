"""Which steps are done: one JSON file a step in OUT/steps, beside the step's log."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from datasets.atomic import whole_file
from lds_cli.reproduction.steps import Step

LOCK_TIMEOUT = 45.0  # seconds; what a killed reproduction has left running ends within them


class ReproductionError(Exception):
    """A step cannot be done. The message names it."""

    exit_code = 1


@dataclass(frozen=True)
class Record:
    """What is known of a step that was begun.

    Attributes:
        digest: of the step as it was then.
        state: running, done or failed.
        seconds: that it took, over all its attempts.
        finished: Unix time.
        error: what its log ends with, where it failed.
    """

    digest: str
    command: str
    state: str
    seconds: float = 0.0
    finished: float | None = None
    error: str = ""


class Ledger:
    """The records of the steps of an output folder."""

    def __init__(self, out: Path) -> None:
        self.out, self._folder = out, out / "steps"

    def log(self, step: Step) -> Path:
        return self._folder / f"{step.name}.log"

    def job(self, step: Step) -> Path:
        """Where the number of its Slurm job stands."""
        return self._folder / f"{step.name}.job"

    def record(self, step: Step) -> Record | None:
        """What is known of this very step: None where it was begun with other settings, not at all, or is gone."""
        record = self._read(step)
        gone = record is not None and record.state == "done" and not step.folder.exists()
        return None if record is None or gone or record.digest != step.digest(self.out) else record

    def is_done(self, step: Step) -> bool:
        """Whether its result is there, and that of all that it needs."""
        record = self.record(step)
        return record is not None and record.state == "done" and all(self.is_done(need) for need in step.needs)

    def begin(self, step: Step) -> Record:
        """Note that a step is being done. What other settings had written is set aside, to OUT/earlier."""
        known = self.record(step)
        if known is None and step.folder.exists():
            self._set_aside(step)
        seconds = known.seconds if known else 0.0
        return self._write(step, Record(step.digest(self.out), step.command, "running", seconds))

    def end(self, step: Step, began: float, error: str | None) -> None:
        """Note that it was done in the time since `began` (time.time()), or what went wrong."""
        record = self._read(step) or Record(step.digest(self.out), step.command, "running")
        now = time.time()
        state = "done" if error is None else "failed"
        seconds = record.seconds + now - began
        self._write(step, replace(record, state=state, seconds=seconds, finished=now, error=error or ""))

    @contextmanager
    def lock(self, step: Step) -> Iterator[int]:
        """Keep all others from doing this step. Yields a handle; whoever inherits it holds the lock, too.

        Raises:
            ReproductionError: somebody else is at it.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._folder / f"{step.name}.lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            deadline = time.monotonic() + LOCK_TIMEOUT
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise ReproductionError(
                            f"{step.name}: another `lds reproduce` is at it in {self.out}; wait for it or stop it"
                        ) from None
                    time.sleep(0.2)
            yield handle
        finally:
            os.close(handle)

    def _set_aside(self, step: Step) -> None:
        if step.kind == "compare":  # made again in seconds
            shutil.rmtree(step.folder)
            return
        earlier = self.out / "earlier"
        earlier.mkdir(exist_ok=True)
        number = 1
        while (place := earlier / f"{step.folder.name}_{number}").exists():
            number += 1
        step.folder.rename(place)

    def _read(self, step: Step) -> Record | None:
        try:
            return Record(**json.loads((self._folder / f"{step.name}.json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            path = self._folder / f"{step.name}.json"
            raise ReproductionError(f"{path}: cannot be read ({error}); delete it to do the step again") from error

    def _write(self, step: Step, record: Record) -> Record:
        with whole_file(self._folder / f"{step.name}.json") as temporary:
            temporary.write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")
        return record
