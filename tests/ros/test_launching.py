from __future__ import annotations

import socket
from pathlib import Path

import pytest

from lds_cli.launching import Launch, LaunchError, choose_master, log_folder


def test_the_master_that_answers_is_used(ros: None, ros_master: str) -> None:
    assert choose_master(["/camera"]) == ros_master


def test_a_running_node_of_the_same_name_is_not_thrown_out(ros: None, ros_master: str) -> None:
    with pytest.raises(LaunchError, match=f"/tests runs already under the roscore at {ros_master}: stop it"):
        choose_master(["/camera", "/tests"])


@pytest.mark.parametrize("uri", [None, "http://127.0.0.1:9", "nonsense"])
def test_without_a_master_a_free_port_is_chosen(uri: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROS_MASTER_URI", raising=False)
    if uri:
        monkeypatch.setenv("ROS_MASTER_URI", uri)
    chosen = choose_master([])
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", int(chosen.rpartition(":")[2])))


def test_a_launch_that_fails_before_its_roscore_answers_is_told(ros_master: str, tmp_path: Path) -> None:
    master = "http://127.0.0.1:9"
    with Launch("no_such.launch", {}, master, tmp_path / "log") as launch:
        with pytest.raises(LaunchError, match=r"the nodes ended: .*no_such.launch"):
            launch.wait_for_master()


def test_logs_lie_where_ros_keeps_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROS_LOG_DIR", raising=False)
    monkeypatch.setenv("ROS_HOME", str(tmp_path))
    assert log_folder() == tmp_path / "log"
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path / "elsewhere"))
    assert log_folder() == tmp_path / "elsewhere"
