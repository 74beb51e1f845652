"""What a supervised command started does not outlive it, nor whoever started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import wait_for

from lds_cli import supervise

SCRIPT = [sys.executable, supervise.__file__]
# Starts a process in a session of its own, which an interrupt does not end, and tells its number.
STRAY = "setsid sh -c 'trap \"\" INT; echo $$ > {file}; while :; do sleep 0.1; done' & "


def number_in(file: Path) -> int:
    wait_for("the number", lambda: file.exists() and file.read_text().strip(), 30)
    return int(file.read_text())


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(("command", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)])
def test_exit_code_is_the_commands(command: str, code: int) -> None:
    assert subprocess.run([*SCRIPT, "sh", "-c", command]).returncode == code


def test_a_process_that_the_command_leaves_behind_is_ended(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    command = STRAY.format(file=file) + f"while ! [ -s {file} ]; do sleep 0.05; done; exit 3"
    assert subprocess.run([*SCRIPT, "sh", "-c", command]).returncode == 3
    assert not is_running(number_in(file))


def test_a_process_of_any_name_beside_it_hinders_nothing(tmp_path: Path) -> None:
    """Linux cuts a name after 15 bytes, in the middle of a letter, too."""
    name = "import ctypes, time; ctypes.CDLL(None).prctl(15, b'gr\\xc3'); print(flush=True); time.sleep(1000)"
    other = subprocess.Popen([sys.executable, "-c", name], stdout=subprocess.PIPE)
    other.stdout.readline()
    file = tmp_path / "pid"
    command = STRAY.format(file=file) + f"while ! [ -s {file} ]; do sleep 0.05; done; exit 3"
    try:
        assert subprocess.run([*SCRIPT, "sh", "-c", command]).returncode == 3
    finally:
        other.kill()
        other.communicate()
    assert not is_running(number_in(file))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupting_it_interrupts_the_command(tmp_path: Path, number: int) -> None:
    ready, ended = tmp_path / "ready", tmp_path / "ended"
    script = f"trap 'echo 1 > {ended}; exit 0' INT; echo 1 > {ready}; while :; do sleep 0.05; done"
    process = subprocess.Popen([*SCRIPT, "sh", "-c", script])
    number_in(ready)
    process.send_signal(number)
    assert process.wait(30) == 0 and ended.exists()


def test_nothing_is_left_where_its_parent_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    command = [*SCRIPT, "sh", "-c", STRAY.format(file=file) + "exec sleep 1000"]
    parent = subprocess.Popen([sys.executable, "-c", f"import subprocess; subprocess.run({command!r})"])
    stray = number_in(file)
    parent.kill()
    parent.wait()
    wait_for("the end of the stray", lambda: not is_running(stray), 30)


def test_a_command_that_does_not_heed_it_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "pid"
    short = f"import sys; sys.path.insert(0, {str(Path(supervise.__file__).parents[1])!r}); "
    short += "from lds_cli import supervise; supervise.GRACE = supervise.LAST_GRACE = 0.3; "
    script = f"trap '' INT TERM; echo $$ > {file}; while :; do sleep 0.1; done"
    process = subprocess.Popen([sys.executable, "-c", short + f"sys.exit(supervise.main(['sh', '-c', {script!r}]))"])
    command = number_in(file)
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(30) == 128 + signal.SIGKILL and not is_running(command)
