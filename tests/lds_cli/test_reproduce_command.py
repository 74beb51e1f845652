"""`lds reproduce` from the plan to the pages, killed and interrupted on the way."""

from __future__ import annotations

import csv
import html
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from waiting import wait_for

from datasets.dataset_index import write_dataset_index
from datasets.recorded import write_scene
from datasets.scene import Scene

# At 16 pixels a step takes a few hundredths of a second, so that runs last long enough to be met at work.
BUDGET = """
presets: table
settings:
  - "model={name: monet, image_size: 16, num_slots: 3, latent_dim: 4, patch: 1, attention_channels: 4,
    decoder_channels: 4}"
  - steps=100
  - batch_size=2
  - lds_warmup=[0,0]
  - data.validation_images=2
  - validate_every=1000
  - checkpoint_every=10
  - log_every=1
scenes: {}
test_scenes: {}
"""


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """Reproduces `real` on scenes of a square, into the folder `out`."""
    rng, files = np.random.default_rng(0), {}
    (tmp_path / "squares").mkdir()
    for index in range(2):
        masks = np.zeros((3, 16, 16), np.uint8)
        masks[:, 4:10, 3 + index : 9 + index] = 1
        images = np.where(masks[..., None] > 0, rng.integers(0, 100, 3), 230).astype(np.uint8)
        name = f"scene_{index:06d}.h5"
        write_scene(tmp_path / "squares" / name, Scene(name, images, masks=masks))
        files[name] = 3
    write_dataset_index(tmp_path / "squares", "squares", "drawn", files, {"train": list(files), "test": list(files)})
    (tmp_path / "tiny.yaml").write_text(BUDGET)
    options = ["--budget", tmp_path / "tiny.yaml", "--data", tmp_path / "squares", "--out", tmp_path / "out"]
    return [sys.executable, "-m", "lds_cli.main", "reproduce", "real", *map(str, options)]


def start(command: list[str], folder: Path) -> subprocess.Popen:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "LDS_CACHE": str(folder / "cache"), "COLUMNS": "200"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def first_training(folder: Path) -> subprocess.Popen:
    """Starts the first training of the reproduction, without measuring and planning before."""
    code = (
        "import sys; from pathlib import Path; from lds_cli.reproduction.budgets import load_budget; "
        "from lds_cli.reproduction.experiments import plan_experiment; "
        "from lds_cli.reproduction.ledger import Ledger; from lds_cli.reproduction.local import run_here; "
        "home = Path(sys.argv[1]); budget = load_budget(str(home / 'tiny.yaml')); "
        "run_here(plan_experiment('real', budget, home / 'out', home / 'squares')[:1], Ledger(home / 'out'))"
    )
    return start([sys.executable, "-c", code, str(folder)], folder)


def processes_at(folder: Path) -> list[str]:
    """Command lines of running processes that name the folder."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line:
            found.append(line)
    return found


def last_step(run: Path) -> int:
    """The step of the run's checkpoint, 0 where there is none."""
    try:
        with safe_open(run / "checkpoint.safetensors", "pt") as file:
            return int(file.metadata()["step"])
    except FileNotFoundError:
        return 0


def steps_of(run: Path) -> list[int]:
    """The steps that metrics.csv has a total of."""
    with (run / "metrics.csv").open(newline="") as file:
        return [int(step) for step, name, _ in csv.reader(file) if name == "total"]


def test_killed_and_interrupted_it_goes_on_and_ends_with_its_pages(command: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = out / "runs" / "squares_monet_base_seed0"
    for number in (signal.SIGKILL, signal.SIGINT):
        before, begun = last_step(run), first_training(tmp_path)
        wait_for("a further step", lambda before=before: last_step(run) > before, 120)
        begun.send_signal(number)
        begun.wait()
        if number == signal.SIGKILL:
            wait_for("the end of all processes", lambda: not processes_at(out), 120)
        assert not processes_at(out), "nothing is left behind"
        assert not (run / "weights.safetensors").exists(), "it was to be stopped in the middle"

    ended = start(command, tmp_path)
    said, _ = ended.communicate(timeout=300)
    assert ended.returncode == 0, said
    assert re.search(r"train monet +2 +0 +\d", said) and re.search(r"About \d.* left", said), said
    assert steps_of(run) == list(range(1, 101)), "resumed, not begun again"
    index = json.loads((out / "real" / "index.json").read_text())
    assert [step["state"] for step in index["steps"]] == ["done"] * 5
    page = (out / "real" / "index.html").read_text()
    assert 'href="comparison/report.html"' in page and (out / "real" / "comparison" / "report.html").is_file()
    for step in index["steps"]:
        assert step["command"] in html.unescape(page)
        assert all(digest[:12] in page for digest in step["digests"].values())

    said, _ = start([*command, "--dry-run"], tmp_path).communicate(timeout=120)
    assert re.search(r"train monet +2 +2 +–", said) and "About 0 s left" in said, said
    assert said.count("lds train table_monet_") == 2 and said.count("lds eval ") == 2
