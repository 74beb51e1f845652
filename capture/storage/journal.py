"""The journal of a scene: what happened while it was recorded, a line of JSON an event, each on the disk at once."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from capture.errors import StorageError
from capture.storage.disk_errors import explained
from datasets.json_file import plain


class Journal:
    """An append-only file. Lines are read back in order; a line that a power loss tore does no harm."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, event: str, **facts: Any) -> None:
        """Write one line. It is on the disk when this returns; where it cannot be, the journal stays as it was.

        Raises:
            StorageError: the disk refuses it, or `facts` hold what JSON does not know.
        """
        line = as_json({"time": round(time.time(), 3), "event": event, **facts}, self.path)
        with explained(self.path, len(line) + 1), open(self.path, "ab", buffering=0) as file:
            before = os.fstat(file.fileno()).st_size
            try:
                file.write(line.encode() + b"\n")
                os.fsync(file.fileno())
            except OSError:
                file.truncate(before)
                raise

    def read(self) -> list[dict[str, Any]]:
        """All events, oldest first; lines that are damaged are left out. Raises StorageError."""
        with explained(self.path):
            lines = self.path.read_bytes().split(b"\n")
        return [event for event in map(_parse, lines) if event is not None]

    def repair(self) -> None:
        """Complete or cut off a last line that was torn, so that the next one begins a line of its own."""
        with explained(self.path), open(self.path, "r+b") as file:
            content = file.read()
            kept, tail = content[: content.rfind(b"\n") + 1], content[content.rfind(b"\n") + 1 :]
            if not tail:
                return
            if _parse(tail) is not None:
                file.write(b"\n")
            else:
                file.truncate(len(kept))
            os.fsync(file.fileno())


def as_json(value: Any, path: Path) -> str:
    """One line of JSON. Raises StorageError, naming `path`, where `value` has no place in JSON."""
    try:
        return json.dumps(value, allow_nan=False, default=plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise StorageError(f"{path}: cannot be stored as JSON: {error}") from error


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None
