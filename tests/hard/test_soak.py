"""Hours of simulation, recording and perception together: nothing grows, labels keep coming, every scene is whole.

LDS_SOAK_MINUTES says how long; without it, two hours of LDS_HARD=full, and one minute otherwise. Cameras are slow and
pictures small, so that it can run beside other work. The samples are in runs/soak/ while it runs.
"""

from __future__ import annotations

import csv
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from process_use import growth, use_of
from soak_rig import NODES, PATIENCE, SCENES, VIEWS, Rig

from datasets.check import check_dataset
from datasets.loading import open_dataset

ROOT = Path(__file__).resolve().parent.parent.parent
SILENCE = 60.0  # seconds without a label that even a busy machine does not come to
GOALS = 5  # at least, so that there are some to compare
SETTLING = 0.25  # of the time; what comes before is not judged
# What the median slope may add up to over the time that is judged; of memory MB. Of pictures that a goal leaks, 10 MB a
# goal, it takes two goals.
LIMITS = {"memory": 20.0, "handles": 3.0, "threads": 2.0}


@pytest.fixture(scope="session")
def minutes() -> float:
    usual = 120 if os.environ.get("LDS_HARD") == "full" else 1
    return float(os.environ.get("LDS_SOAK_MINUTES", usual))


@pytest.fixture
def rig(ros_master: str, tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def finish(recording: subprocess.Popen, rig: Rig) -> None:
    assert recording.wait(PATIENCE) == 0, rig.said()


def sample(began: float, nodes: dict[str, int], rig: Rig) -> dict[str, float]:
    """A row of the table, of which latencies are NaN where no label came. Raises OSError where a node is gone."""
    latencies = rig.latencies()
    row = {"seconds": time.monotonic() - began, "goals": rig.goals, "labels": len(latencies)}
    row |= {
        "latency_ms": 1000 * float(np.median(latencies or np.nan)),
        "latency_worst_ms": 1000 * max(latencies, default=np.nan),
    }
    for name, pid in nodes.items():
        row |= {f"{name}.{what}": value for what, value in vars(use_of(pid)).items()}
    return row


def soak(rig: Rig, seconds: float, table: Path) -> list[dict[str, float]]:
    """Record one goal after another, and sample all the time, into the table as well."""
    every = max(1.0, seconds / 600)
    pause = 5 * every  # between two goals, so that what is taken at rest is sampled
    nodes = rig.nodes()
    finish(rig.record(), rig)
    rig.wait_for_labels()  # all is loaded then
    began = rested = heard = time.monotonic()
    recording, rows = rig.record(), []
    with table.open("w", newline="") as file:
        while (now := time.monotonic()) < began + seconds or rig.goals < GOALS:
            time.sleep(every)
            rows.append(sample(began, nodes, rig))
            heard = now if rows[-1]["labels"] else heard
            assert now < heard + SILENCE, f"no label came for {now - heard:.0f} s: {rig.said()}"
            if len(rows) == 1:
                writer = csv.DictWriter(file, rows[0])
                writer.writeheader()
            writer.writerow({name: round(value, 3) for name, value in rows[-1].items()})
            file.flush()
            if recording.poll() is None:
                rested = now
            elif now > rested + pause:
                finish(recording, rig)
                recording = rig.record()
    finish(recording, rig)
    return rows


def at_rest(rows: list[dict[str, float]]) -> list[dict[str, float]]:
    """For each goal the least of every column: what is kept once it is recorded. The last one may not be over."""
    goals = sorted({row["goals"] for row in rows})[:-1]
    return [{name: min(row[name] for row in rows if row["goals"] == goal) for name in rows[0]} for goal in goals]


def grown(rows: list[dict[str, float]]) -> dict[str, float]:
    """By how much each node's memory, handles and threads at rest grew after the settling time."""
    rest = at_rest(rows)
    judged = rest[int(SETTLING * len(rest)) :]
    times = [row["seconds"] for row in judged]
    names = [name for name in rows[0] if name.partition(".")[2] in LIMITS]
    return {name: growth(times, [row[name] for row in judged]) for name in names}


def in_a_line(rows: list[dict[str, float]], rig: Rig, grew: dict[str, float]) -> str:
    minutes, last = rows[-1]["seconds"] / 60, rows[-1]
    cpu = sum(last[f"{node}.cpu"] - rows[0][f"{node}.cpu"] for node in NODES) / (last["seconds"] - rows[0]["seconds"])
    nodes = ", ".join(
        f"{node} {last[f'{node}.memory']:.0f} MB ({grew[f'{node}.memory']:+.1f}), {last[f'{node}.handles']} files "
        f"({grew[f'{node}.handles']:+.1f}), {last[f'{node}.threads']} threads ({grew[f'{node}.threads']:+.1f})"
        for node in sorted(NODES)
    )
    latency, worst = (np.array([row[name] for row in rows]) for name in ("latency_ms", "latency_worst_ms"))
    return (
        f"{time.strftime('%Y-%m-%d %H:%M')}: {minutes:.0f} minutes, {rig.goals * SCENES} scenes of {VIEWS} views, "
        f"{sum(row['labels'] for row in rows)} labels, latency {np.nanmedian(latency):.0f} ms (median; the "
        f"worst {np.nanmax(worst):.0f} ms), {100 * cpu:.0f} % of a core; {nodes}"
    )


def test_nothing_grows_and_every_scene_is_whole(rig: Rig, minutes: float) -> None:
    folder = ROOT / "runs/soak"
    folder.mkdir(parents=True, exist_ok=True)
    rows = soak(rig, 60 * minutes, folder / f"soak_{minutes:g}_minutes.csv")
    grew = grown(rows)
    (folder / f"soak_{minutes:g}_minutes.txt").write_text(in_a_line(rows, rig, grew) + "\n")
    scenes = open_dataset(rig.dataset)
    assert [scene.num_views for scene in scenes] == [VIEWS] * (rig.goals * SCENES)
    assert check_dataset(scenes).problems == []
    too_much = {name: by for name, by in grew.items() if not by <= LIMITS[name.partition(".")[2]]}
    assert not too_much, f"{too_much} more, where {LIMITS} are the limits"
