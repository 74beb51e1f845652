"""Functions measured in processes of their own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lds_cli.bench_process import Apart

MARK = "LDS_BENCH_MARK"


def note_calls(file: Path) -> Callable[[], object]:
    """Each call writes the process' number and a variable's value to the file."""

    def function() -> None:
        with file.open("a") as out:
            out.write(f"{os.getpid()} {os.environ.get(MARK)}\n")

    return function


def take_memory(megabytes: int) -> Callable[[], object]:
    return lambda: bytearray(os.urandom(1024)) * (1024 * megabytes)


def fail() -> Callable[[], object]:
    raise ValueError("as it should")


def test_calls_run_in_one_other_process_and_are_waited_for(tmp_path: Path) -> None:
    with Apart(note_calls, tmp_path / "calls") as function:
        function()
        function()
        lines = (tmp_path / "calls").read_text().split("\n")[:-1]
    assert len(lines) == 2 and len(set(lines)) == 1
    process = int(lines[0].split()[0])
    assert process != os.getpid()
    time.sleep(0.1)
    with pytest.raises(ProcessLookupError):  # gone with the context
        os.kill(process, 0)


def test_memory_is_that_process_own() -> None:
    ours = b"x" * (400 << 20)
    with Apart(take_memory, 300) as hungry, Apart(take_memory, 1) as modest:
        hungry()
        modest()
        assert hungry.peak_memory_mb() > 300 > modest.peak_memory_mb()
    assert len(ours) == 400 << 20


@pytest.mark.parametrize(("given", "seen"), [("other", "other"), (None, "None")])
def test_environment_is_that_process_alone(
    given: str | None, seen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MARK, "ours")
    with Apart(note_calls, tmp_path / "calls", environment={MARK: given}) as function:
        function()
    assert (tmp_path / "calls").read_text().split()[1] == seen
    assert os.environ[MARK] == "ours"


def test_failure_there_is_an_error_here() -> None:
    with Apart(fail) as function, pytest.raises(RuntimeError, match=r"fail\(\) failed in its process, exit code 1"):
        function()
