"""A process that imports once and forks for every attempt, so that a thousand children cost little and may die."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection

FAILED = 70  # exit code of a child whose function raised


class Nursery:
    """Children are forks of one single-threaded process, which has imported `modules`."""

    def __init__(self, modules: Sequence[str] = ()) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # a fork does not survive its parent's threads
        self._process = spawn.Process(target=_serve, args=(theirs, tuple(modules)), daemon=True)
        self._process.start()
        theirs.close()

    def start(self, function: Callable[..., object], *arguments: object) -> int:
        """Run a module's function in a child; returns its process id."""
        self._pipe.send((function, arguments))
        return self._pipe.recv()

    def wait(self, child: int) -> int:
        """A child's exit code, as `subprocess` has it: the number of the signal that ended it is negative."""
        self._pipe.send(child)
        return self._pipe.recv()

    def close(self) -> None:
        self._pipe.close()
        self._process.join()


def limit_memory(more: int) -> None:
    """Let this process take `more` bytes of address space beside what it has; then allocations fail."""
    pages = int(open("/proc/self/statm").read().split()[0])
    limit = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _serve(pipe: Connection, modules: tuple[str, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for module in modules:
        importlib.import_module(module)
    while True:
        try:
            order = pipe.recv()
        except EOFError:
            return
        if isinstance(order, int):
            pipe.send(os.waitstatus_to_exitcode(os.waitpid(order, 0)[1]))
        else:
            pipe.send(_fork(*order))


def _fork(function: Callable[..., object], arguments: tuple) -> int:
    child = os.fork()
    if child:
        return child
    code = FAILED
    try:
        function(*arguments)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
