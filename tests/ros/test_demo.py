"""`lds demo` from end to end, and that it leaves nothing behind however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from processes import PATIENCE, ROOT, marked, wait_for

from lds_cli.demo import NODES, run_nodes
from lds_cli.launching import choose_master
from lds_cli.scoring import NothingMeasured

pytest.importorskip("lds_scenes.msg", reason="the ROS messages are not built: run the tests with ./run test")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all runs share, so that the scene is rendered once."""
    return tmp_path_factory.mktemp("demo")


def start_demo(out: Path, weights: Path, mark: str, seconds: int = 3) -> subprocess.Popen:
    environment = {k: v for k, v in os.environ.items() if k != "ROS_MASTER_URI"} | {"LDS_TEST_MARK": mark}
    command = [sys.executable, "-m", "lds_cli.main", "demo", "--scenes", "1", "--views", "3", "--seconds", str(seconds)]
    return subprocess.Popen(
        [*command, "--out", str(out), "--weights", str(weights)], cwd=ROOT, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_the_demo_ends_by_itself_with_numbers_a_picture_and_a_page(out: Path, tiny_weights: Path) -> None:
    mark = uuid.uuid4().hex
    demo = start_demo(out, tiny_weights, mark)
    said, errors = demo.communicate(timeout=3 * PATIENCE)
    said = " ".join(said.split())  # lines are wrapped
    assert demo.returncode == 0, errors
    for words in ("mIoU", "Latency", "Rate", "Duplicates merged", "frames dropped", "overlays.png", "report.html"):
        assert words in said
    assert (out / "overlays.png").read_bytes().startswith(b"\x89PNG")
    page = (out / "report.html").read_text()
    assert page.count("<img") == page.count('<img src="data:image/jpeg') > 0
    assert not marked(mark)


def test_weights_that_are_damaged_are_told_before_anything_is_recorded(tiny_weights: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(tiny_weights.read_bytes()[:-500])
    demo = start_demo(tmp_path / "out", damaged, "none")
    said, errors = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 1 and not said
    assert f"{damaged}: is damaged" in errors and "Traceback" not in errors and not (tmp_path / "out").exists()


def test_what_a_node_refuses_ends_the_demo_with_its_reason(
    tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROS_MASTER_URI", raising=False)  # other tests' nodes may run there
    (tmp_path / "nothing").mkdir()
    score, log = tmp_path / "score", tmp_path / "log"
    with pytest.raises(NothingMeasured, match="no labels came: player_node cannot run: .*nothing.* is in .*log"):
        run_nodes(tmp_path / "nothing", log, str(tiny_weights), choose_master(NODES), score, seconds=3)


@pytest.mark.parametrize("node", ["record_node.py", "segmentation_node.py"])
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
def test_an_interrupted_demo_leaves_no_process_behind(
    out: Path, tiny_weights: Path, end: signal.Signals, node: str
) -> None:
    mark = uuid.uuid4().hex
    demo = start_demo(out, tiny_weights, mark, seconds=300)
    wait_for("the nodes", lambda: marked(mark, node), 3 * PATIENCE)
    demo.send_signal(end)
    demo.wait(PATIENCE)
    wait_for("the end of all processes", lambda: not marked(mark))
