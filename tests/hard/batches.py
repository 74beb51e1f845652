"""Many inputs of a kind, each read in a child with limits: what must hold of every one, and what did not."""

from __future__ import annotations

import json
import os
import shutil
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from nursery import Nursery, limit_memory

MEMORY = 4 * 2**30  # bytes; a scene may have several arrays of 1 GB
SECONDS, WAITED = 30, 3600  # of computing, of the clock (children may be stopped for a while)
LONGEST = 2000  # characters of a message
MARKER = Path("/tmp/lds_scenes_was_unpickled")  # what a pickle among the inputs would make


@dataclass(frozen=True)
class Kind:
    """One kind of input; its functions belong to modules, so that a child finds them.

    Attributes:
        write: leaves input `number` (its own random numbers) in an empty folder, and tells which path is to be read.
        read: the code under test.
        errors: what it may raise.
        named: whether messages must name the file, or one beside it.
    """

    write: Callable[[Random, Path], object]
    read: Callable[[object], object]
    errors: tuple[type[Exception], ...]
    named: bool = True


def expect_none_at_fault(nursery: Nursery, kind: Kind, count: int, folder: Path) -> None:
    """Inputs 0 to `count` - 1 are all read, or refused as they should be."""
    found = faults(nursery, kind, count, folder)
    assert not found, "\n".join(f"input {number}: {fault}" for number, fault in found.items())


def faults(nursery: Nursery, kind: Kind, count: int, folder: Path) -> dict[int, str]:
    """What was wrong with inputs 0 to `count` - 1, by their number: nothing, where all is well."""
    found: dict[int, str] = {}
    first = 0
    while first < count:
        log = folder / f"from_{first}.jsonl"
        code = nursery.wait(nursery.start(_read_inputs, kind, first, count, folder, log))
        told = [json.loads(line) for line in log.read_text().splitlines()]
        found |= {first + index: fault for index, fault in enumerate(told) if fault}
        first += len(told)
        if code:
            found[first] = f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
            first += 1
        assert len(found) < 100, f"too much is wrong to go on: {found}"
    return found


def _read_inputs(kind: Kind, first: int, count: int, folder: Path, log: Path) -> None:
    """Reads one input after another, and tells of each what is wrong, or nothing; ends where one is fatal."""
    with log.open("w") as told:
        limit_memory(MEMORY)
        for number in range(first, count):
            signal.setitimer(signal.ITIMER_PROF, SECONDS)  # neither signal is handled: they end this process
            signal.setitimer(signal.ITIMER_REAL, WAITED)
            told.write(json.dumps(fault_of(kind, number, folder / "input")) + "\n")
            told.flush()


def fault_of(kind: Kind, number: int, folder: Path) -> str:
    """What is wrong with how input `number` is taken; to be called by hand, too, to look at one."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    written = kind.write(Random(number), folder)
    MARKER.unlink(missing_ok=True)
    open_files = os.listdir("/proc/self/fd")
    fault = _fault_of_reading(kind, written, folder)
    if not fault and len(os.listdir("/proc/self/fd")) > len(open_files):
        return "a file was left open"
    return "a pickle was run" if MARKER.exists() else fault


def _fault_of_reading(kind: Kind, written: object, folder: Path) -> str:
    try:
        kind.read(written)
    except kind.errors as error:
        message = str(error)
        if not message.strip() or "\n" in message or len(message) > LONGEST:
            return f"not one clear line: {message[:300]!r} ({len(message)} characters)"
        if kind.named and str(folder) not in message:
            return f"does not name the file: {message[:300]}"
    except BaseException as error:
        frames = reversed(traceback.extract_tb(error.__traceback__)[-4:])
        where = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames)
        return f"{type(error).__name__}: {str(error)[:200]} ({where})"
    return ""


class Pickled:
    """Makes MARKER when it is unpickled."""

    def __reduce__(self) -> tuple:
        return os.open, (str(MARKER), os.O_CREAT)
