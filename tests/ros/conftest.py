"""A rospy node for the tests, and nodes of ours as real processes under a real roscore."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from recording_rig import Rig


@pytest.fixture(scope="session")
def ros(ros_master: str) -> None:
    """This process as a node."""
    import rospy

    rospy.init_node("tests", disable_signals=True)


@pytest.fixture(scope="module")
def rig(ros: None, ros_master: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """The simulated rig with a capture node; modules that need another one have their own."""
    from recording_rig import Rig  # which needs the ROS messages

    rig = Rig(tmp_path_factory.mktemp("rig"), ros_master)
    yield rig
    rig.close()


@pytest.fixture(scope="session")
def start_node(ros_master: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., subprocess.Popen]]:
    """A function that starts a node; they end with the tests.

    Given its script, its name, its private parameters, and what `~names` are remapped to."""
    running: list[subprocess.Popen] = []

    def start(script: str, name: str, **parameters: object) -> subprocess.Popen:
        log = tmp_path_factory.mktemp(name) / "log"
        remapped = {key: value for key, value in parameters.items() if key.startswith("~")}
        private = {f"_{key}": value for key, value in parameters.items() if key not in remapped}
        arguments = [f"__name:={name}", *(f"{key}:={value}" for key, value in {**private, **remapped}.items())]
        with log.open("wb") as output:
            node = subprocess.Popen(
                ["rosrun", "lds_scenes", script, *arguments], stdout=output, stderr=subprocess.STDOUT
            )
        node.log = log
        running.append(node)
        return node

    yield start
    for node in running:
        if node.poll() is None:
            node.send_signal(signal.SIGINT)
    for node in running:
        try:
            node.wait(15)
        except subprocess.TimeoutExpired:
            node.kill()
