"""Fixtures for every test."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ports import free_port

# What a shell starts in the background ignores Ctrl-C, and so would all that these tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def ros_master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of a real roscore on a free port, which this process and its children use until the session ends."""
    if shutil.which("roscore") is None:
        pytest.skip("no ROS on the path: run the tests with ./run test")
    port, home = free_port(), tmp_path_factory.mktemp("ros")
    environment = {
        "ROS_MASTER_URI": f"http://127.0.0.1:{port}",
        "ROS_IP": "127.0.0.1",
        "ROS_HOME": str(home),
        "ROS_LOG_DIR": str(home / "log"),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ROS_HOSTNAME", raising=False)  # goes before ROS_IP
        for name, value in environment.items():
            patch.setenv(name, value)
        with (home / "roscore.log").open("wb") as log:
            roscore = subprocess.Popen(
                ["roscore", "-p", str(port)], stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        try:
            _wait_until_online(roscore, home / "roscore.log")
            yield environment["ROS_MASTER_URI"]
        finally:
            _stop(roscore)


def _wait_until_online(roscore: subprocess.Popen, log: Path, timeout: float = 60.0) -> None:
    import rosgraph

    deadline = time.monotonic() + timeout
    while not rosgraph.is_master_online():
        if roscore.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"roscore did not come up:\n{log.read_text()}")
        time.sleep(0.1)


def _stop(roscore: subprocess.Popen) -> None:
    """Interrupts roscore, which stops the master and rosout, and kills what is left of its session."""
    roscore.send_signal(signal.SIGINT)
    try:
        roscore.wait(timeout=15)
    except subprocess.TimeoutExpired:
        os.killpg(roscore.pid, signal.SIGKILL)
        roscore.wait()


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained MONet of 4 slots for 32x32 pixels."""
    import torch

    from lds_models.monet import MONet, MONetConfig
    from lds_models.weights import save_weights

    torch.manual_seed(0)
    model = MONet(MONetConfig(image_size=32, num_slots=4, attention_channels=8, decoder_channels=8))
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(path, model, {"name": "tiny"})
    return path
