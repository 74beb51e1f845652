"""Two processes that want the same dataset at the same time, as two trainings do that are started together."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from waiting import wait_for

from datasets.packing import cache_folder, pack
from datasets.scene import DatasetError

PATIENCE = 60.0  # seconds
PACK = """
import sys, time
from pathlib import Path
from datasets.packing import pack

data, folder, name = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]

def hold(scenes):
    (folder / f"{name} packs").touch()
    while not (folder / "go on").exists():
        time.sleep(0.01)

print(pack(data, "train", 16, progress=hold).images.sum())
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LDS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[Path, str], subprocess.Popen]]:
    """A function that starts a process which packs a dataset, once it may go on; they end with the test."""
    running: list[subprocess.Popen] = []

    def start(root: Path, name: str) -> subprocess.Popen:
        command = [sys.executable, "-c", PACK, str(root), str(tmp_path), name]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        return running[-1]

    yield start
    for process in running:
        process.kill()


def holds_the_lock_open(process: subprocess.Popen) -> bool:
    try:
        return any(os.readlink(file).endswith(".lock") for file in Path(f"/proc/{process.pid}/fd").iterdir())
    except OSError:
        return False  # one was closed meanwhile


def test_one_packs_and_the_other_waits_for_it(
    official: Callable[..., Path], start: Callable[[Path, str], subprocess.Popen], tmp_path: Path
) -> None:
    root = official()
    first = start(root, "first")
    wait_for("the first one's packing", (tmp_path / "first packs").exists, PATIENCE)
    second = start(root, "second")
    packs_too = tmp_path / "second packs"
    wait_for("the second one", lambda: packs_too.exists() or holds_the_lock_open(second), PATIENCE)
    (tmp_path / "go on").touch()
    said = [process.communicate(timeout=PATIENCE)[0] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), said
    assert said == [f"{pack(root, 'train', 16).images.sum()}\n"] * 2
    assert not packs_too.exists(), "both packed"
    assert len(list(cache_folder().glob("*.h5"))) == 1


def test_a_cache_that_cannot_be_written_is_named(official: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder is wanted")
    with pytest.raises(DatasetError, match=r"cache/\w+\.h5: cannot be written \(.+\); see to space and permissions"):
        pack(official(), "train", 16)
