"""./run as a newcomer meets it, on machines that lack something; Debian's own tools are stood in for by stubs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# What ./run may count on before it has installed anything. Not on sudo, apt-get or dpkg-query: each test stubs those.
ESSENTIAL = "bash cat comm cut df dirname env flock grep id mkdir readlink rm sed sha256sum sleep sort tail".split()

NOTHING_INSTALLED = "exit 1"
ALL_INSTALLED = 'shift 3; printf "installed %s\\n" "$@"'  # answers  dpkg-query -W -f FORMAT PACKAGE...


class Machine:
    """A fresh checkout on a machine whose only commands are the essential ones and the given stubs (shell scripts)."""

    def __init__(self, folder: Path, **stubs: str):
        self.checkout, self.commands = folder / "checkout", folder / "bin"
        self.commands.mkdir(parents=True)
        self.checkout.mkdir()
        for name in ("run", "requirements.txt", "pyproject.toml", "setup.py", "package.xml"):
            shutil.copy(ROOT / name, self.checkout)
        for name in ESSENTIAL:
            (self.commands / name).symlink_to(shutil.which(name))
        for name, script in stubs.items():
            self.stub(name.replace("_", "-"), script)

    def stub(self, name: str, script: str) -> None:
        (self.commands / name).unlink(missing_ok=True)
        (self.commands / name).write_text(f"#!/bin/bash\n{script}\n")
        (self.commands / name).chmod(0o755)

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": str(self.commands), "HOME": str(self.checkout), **environment}
        return subprocess.run([self.checkout / "run", *arguments], env=environment, capture_output=True, text=True)


def test_help_names_every_command(tmp_path: Path) -> None:
    shown = Machine(tmp_path).run("help")
    assert shown.returncode == 0
    for command in ("demo", "test", "bench", "lds", "shell", "setup"):
        assert f"./run {command}" in shown.stdout
    assert shown.stdout == Machine(tmp_path / "second").run().stdout


def test_unknown_command_exits_2_with_the_help(tmp_path: Path) -> None:
    shown = Machine(tmp_path).run("dmeo")
    assert shown.returncode == 2
    assert "no command 'dmeo'" in shown.stderr and "./run demo" in shown.stderr


@pytest.mark.parametrize(
    ("stubs", "explanation"),
    [
        ({"id": "echo 1000"}, "no root and no sudo: have an administrator run  apt-get install"),
        ({"id": "echo 1000", "sudo": "exit 1"}, "sudo does not let you install packages"),
        ({"df": "echo '  12'"}, "no disk space: /usr has 12 MB free"),
        (
            {"apt_get": "echo \"W: Temporary failure resolving 'deb.debian.org'\"; [[ $* = *update* ]]"},
            "no network: the package servers do not answer",
        ),
        ({"apt_get": "echo 'E: Write error - write (28: No space left on device)'; exit 100"}, "no disk space left"),
        ({"apt_get": "echo 'E: dpkg is on fire'; echo; exit 100"}, "E: dpkg is on fire"),
    ],
)
def test_failure_is_explained_in_one_line(tmp_path: Path, stubs: dict[str, str], explanation: str) -> None:
    if "id" not in stubs:
        stubs = {"id": "echo 0", **stubs}
    machine = Machine(tmp_path, **{"apt_get": "exit 0", "dpkg": "exit 0", "dpkg_query": NOTHING_INSTALLED, **stubs})
    failed = machine.run("setup")
    assert failed.returncode == 1
    assert explanation in failed.stderr
    assert failed.stderr.count("\n") == 1


def test_system_without_apt_is_told_what_to_do(tmp_path: Path) -> None:
    failed = Machine(tmp_path).run("setup")
    assert failed.returncode == 1
    assert "neither Debian nor Ubuntu" in failed.stderr


def test_sourced_ros_is_used_and_none_installed(tmp_path: Path) -> None:
    machine = Machine(tmp_path, dpkg_query=NOTHING_INSTALLED, apt_get="exit 1", id="echo 1000")
    assert " ros-core " in machine.run("setup").stderr
    sourced = machine.run("setup", ROS_DISTRO="noetic").stderr
    assert " cmake " in sourced and "ros-" not in sourced


def test_interruption_is_answered_in_one_line(tmp_path: Path) -> None:
    machine = Machine(tmp_path, dpkg_query=NOTHING_INSTALLED, dpkg="exit 0", id="echo 0", df="echo 99999")
    machine.stub("apt-get", "echo > started; sleep 60")
    environment = {"PATH": str(machine.commands)}
    setting_up = subprocess.Popen(
        [machine.checkout / "run", "setup"],
        cwd=tmp_path, env=environment, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (tmp_path / "started").exists():
        assert time.monotonic() < deadline and setting_up.poll() is None, "./run setup did not come to apt-get"
        time.sleep(0.05)
    os.killpg(setting_up.pid, signal.SIGINT)  # as Ctrl-C does
    assert setting_up.communicate(timeout=30)[1] == b"run: interrupted; the next ./run goes on from here\n"
    assert setting_up.returncode != 0


def test_interrupted_environment_is_not_taken_for_whole(tmp_path: Path) -> None:
    """Two tries without a network: neither leaves a stamp, the second keeps the good environment and tries again."""
    machine = Machine(tmp_path, dpkg_query=ALL_INSTALLED, apt_get="exit 1")
    no_network = {"https_proxy": "http://127.0.0.1:9", "PIP_RETRIES": "1", "PIP_CONFIG_FILE": os.devnull}
    (machine.checkout / ".venv" / "bin").mkdir(parents=True)  # half made
    first, second = machine.run("setup", **no_network), machine.run("setup", **no_network)
    assert "creating the Python environment" in first.stdout and "creating" not in second.stdout
    for failed in (first, second):
        assert failed.returncode == 1
        assert "no network" in failed.stderr
    assert not (machine.checkout / ".venv" / "lds_setup").exists()


def test_torch_build_other_than_cpu_or_cuda_is_refused(tmp_path: Path) -> None:
    failed = Machine(tmp_path, dpkg_query=ALL_INSTALLED, apt_get="exit 1").run("setup", LDS_TORCH="tpu")
    assert failed.returncode == 1
    assert "LDS_TORCH is 'tpu', but must be cpu or cuda" in failed.stderr


@pytest.mark.skipif(not (ROOT / "build" / "lds_setup").exists(), reason="not set up by ./run")
def test_second_set_up_does_nothing_and_says_so() -> None:
    again = subprocess.run([ROOT / "run", "setup"], capture_output=True, text=True, check=True)
    assert again.stdout == "run: everything is set up; try ./run demo\n"
