"""Functions to be measured, each in a process of its own: its memory, threads and settings are its own, too."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection

from lds_models.memory import peak_memory_mb

Measured = Callable[[], object]


class Apart:
    """What `make(*args)` returns, run in a process of its own, one call at a time. A context.

    Args:
        make: a function of a module, which returns the function to be measured. It is called in that process.
        environment: variables that the process gets (or, where None, does not get) otherwise than this one has them.

    Raises:
        RuntimeError: something failed in that process; its traceback stands on its stderr.
    """

    def __init__(
        self, make: Callable[..., Measured], *args: object, environment: dict[str, str | None] | None = None
    ) -> None:
        self._make, self._args, self._environment = make, args, environment or {}

    def __enter__(self) -> Apart:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._make, self._args), daemon=True)
        before = {name: os.environ.get(name) for name in self._environment}
        _set_environment(self._environment)
        self._process.start()
        _set_environment(before)
        theirs.close()
        return self

    def __call__(self) -> None:
        self._ask("call")

    def peak_memory_mb(self) -> float:
        """The most memory that the process has had, MB: of the GPU, where it uses one, or else resident."""
        return self._ask("memory")

    def _ask(self, request: str) -> float:
        try:
            self._pipe.send(request)
            return self._pipe.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self._process.join()
            code = self._process.exitcode
            raise RuntimeError(f"{self._make.__name__}{self._args} failed in its process, exit code {code}") from None

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()


def _serve(pipe: Connection, make: Callable[..., Measured], args: tuple[object, ...]) -> None:
    function = make(*args)
    while True:
        if pipe.recv() == "memory":
            pipe.send(peak_memory_mb())
        else:
            function()
            pipe.send(0.0)


def _set_environment(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
