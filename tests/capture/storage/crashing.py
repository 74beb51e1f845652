"""Recorders in processes of their own, which come to a sudden end."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from recordings import VIEWS, begin, drawn_view, finish, number_of

from capture.storage.dropping import drop_scenes, restore_scenes
from capture.storage.recording_folder import RecordingFolder

# What changes files tells Python's audit hooks so before it is done; fsync does not.
CHANGES = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate"}
CRASHED = 86

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["capture.storage.recording_folder"])  # found from the root; tests' modules are not


def start(target, *arguments) -> tuple[BaseProcess, Connection]:
    """Run a function of this module in a new process; the other end of the pipe that is its last argument."""
    ours, theirs = _processes.Pipe(duplex=False)
    process = _processes.Process(target=target, args=(*arguments, theirs), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def heard(pipe: Connection) -> list:
    """All that came through the pipe, up to its end."""
    messages = []
    try:
        while True:
            messages.append(pipe.recv())
    except (EOFError, OSError):
        return messages


def record_for_ever(root: Path, pipe: Connection) -> None:
    """Record scene after scene, going on with what was interrupted; tells of each view that is stored."""
    with RecordingFolder(root) as folder:
        while True:
            scene = folder.continue_scene() if folder.interrupted else begin(folder)
            _record_rest(scene, pipe)


def record_and_crash(root: Path, at: int, pipe: Connection) -> None:
    """Record one scene, and end before the change of the file system that is number `at`."""
    crash_at(at)
    with RecordingFolder(root) as folder:
        scene = folder.continue_scene() if folder.interrupted else begin(folder)
        _record_rest(scene, pipe)
        pipe.send("finishing")
    os._exit(0)


def open_and_crash(root: Path, at: int, pipe: Connection) -> None:
    """Open the folder, and end before the change of the file system that is number `at`."""
    crash_at(at)
    with RecordingFolder(root):
        os._exit(0)


def drop_and_crash(root: Path, at: int, pipe: Connection) -> None:
    """Drop the first scene, and end before the change of the file system that is number `at`."""
    crash_at(at)
    drop_scenes(root, ["scene_000000"], "blurred")
    os._exit(0)


def restore_and_crash(root: Path, at: int, pipe: Connection) -> None:
    """Bring the first scene back, and end before the change of the file system that is number `at`."""
    crash_at(at)
    restore_scenes(root, ["scene_000000"])
    os._exit(0)


def hold(root: Path, pipe: Connection) -> None:
    """Keep the folder's lock until killed."""
    with RecordingFolder(root):
        pipe.send("locked")
        signal.pause()


def _record_rest(scene, pipe: Connection) -> None:
    for index in range(VIEWS):
        if index not in scene.stored:
            scene.store(index, drawn_view(number_of(scene), index))
            pipe.send((number_of(scene), index))
    finish(scene)


def crash_at(at: int) -> None:
    remaining, fsync = at, os.fsync

    def count() -> None:
        nonlocal remaining
        remaining -= 1
        if remaining == 0:
            os._exit(CRASHED)

    def counted_fsync(handle: int) -> None:
        count()
        fsync(handle)

    os.fsync = counted_fsync
    sys.addaudithook(lambda event, _: count() if event in CHANGES else None)
