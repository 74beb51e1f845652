"""What a recording was interrupted with, made hostile: views, the journal, the session that is to be resumed."""

from __future__ import annotations

import functools
import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
from batches import Kind, Pickled, expect_none_at_fault
from mutation import as_json, mutated, mutated_tree
from nursery import Nursery

from capture.errors import CaptureError
from capture.recording.goal import resume_session
from capture.recording.session import finish_interrupted
from capture.storage.recorded_view import RecordedView
from capture.storage.recording_folder import RecordingFolder
from capture.storage.space import view_bytes
from datasets.loading import open_dataset

HEIGHT, WIDTH, VIEWS = 6, 8, 3
GOAL = {"scenes": 2, "views": VIEWS, "viewpoints": "ring", "seed": 3, "auto": True, "note": ""}
SESSION = {"goal": GOAL, "scenes_before": 0}
PLAN = {
    "viewpoints": "ring", "seed": 3, "objects": [{"color": "red", "position": [0, 0, 0]}], "facts": {"robot": "r"},
    "views": [{"joints": [0.1] * 6, "T_world_camera": np.eye(4).tolist()}] * VIEWS,
}  # fmt: skip


@functools.cache
def interrupted(number: int = 0) -> dict[str, bytes]:
    """The files of a partial scene with two views of three, by their names."""
    rng = np.random.default_rng(number)
    with TemporaryDirectory() as temporary:
        with RecordingFolder(Path(temporary)) as folder:
            scene = folder.begin_scene(PLAN, VIEWS, view_bytes(HEIGHT, WIDTH))
            scene.skip(2, "dark")
            for index in range(2):
                scene.store(index, RecordedView(
                    image=rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8), stamp=1e9 + index,
                    T_world_camera=np.eye(4), K=np.diag([300.0, 300, 1]), distortion=np.zeros(5),
                    depth=rng.random((HEIGHT, WIDTH), np.float32), truth=np.ones((HEIGHT, WIDTH), np.uint8),
                    joint_positions=np.zeros(6), quality={"sharpness": 30.0},
                ))  # fmt: skip
        return {path.name: path.read_bytes() for path in scene.path.iterdir()}


def write_folder(rng: Random, folder: Path) -> Path:
    root = folder / "d"
    partial = root / "scene_000000.partial"
    partial.mkdir(parents=True)
    for name, content in interrupted().items():
        (partial / name).write_bytes(content)
    (root / "session.json").write_text(json.dumps(SESSION))
    change = rng.choice((_change_view, _change_view, _change_journal, _change_journal, _change_session, _change_names))
    change(rng, root)
    return root


def _change_view(rng: Random, root: Path) -> None:
    victim = root / "scene_000000.partial" / f"view_00000{rng.randrange(3)}.npz"
    whole, other = interrupted()["view_000000.npz"], interrupted(1)["view_000001.npz"]
    victim.write_bytes(
        rng.choice((lambda: mutated(rng, whole, other), lambda: _odd_view(rng, whole), lambda: _pickled(rng)))()
    )


def _odd_view(rng: Random, whole: bytes) -> bytes:
    """A sound archive of what no view is."""
    arrays = dict(np.load(io.BytesIO(whole)))
    name = rng.choice(list(arrays))
    value = arrays[name]
    texts = (b"{", b"[" * 100_000, b"[]", b'{"sharpness": NaN}', b'{"sharpness": "x"}', b'{"sharpness": []}', b"\xff")
    quality = np.frombuffer(rng.choice(texts), np.uint8)
    with np.errstate(all="ignore"):
        odd = (
            value.astype(rng.choice("u1 i8 f4 f8 b1 c8 S2 >f8".split())), value[..., None], np.zeros(0), quality,
            np.full(value.shape, rng.choice((np.nan, np.inf, -1.0, 1e300))), value.ravel()[:1], np.float64(3),
        )  # fmt: skip
    arrays[name] = quality if name == "quality" else odd[rng.randrange(len(odd))]
    if rng.random() < 0.15:
        del arrays[name]
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _pickled(rng: Random) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, image=np.array([Pickled()], object))
    return rng.choice((pickle.dumps(Pickled()), buffer.getvalue()))


def _change_journal(rng: Random, root: Path) -> None:
    journal = root / "scene_000000.partial/journal.jsonl"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    final = {"time": 1.0, "event": "finishing", "attributes": {"robot": "r"}, "objects": [], "meta": {}}
    lines += rng.choice(([], [final], [{"event": "lost", "view": 1, "reason": "x"}]))
    at = rng.randrange(len(lines))
    changed = [json.dumps(line).encode() for line in lines]
    changed[at] = as_json(rng, mutated_tree(rng, lines[at]))
    text = b"\n".join(changed) + b"\n"
    journal.write_bytes(mutated(rng, text) if rng.random() < 0.3 else text)


def _change_session(rng: Random, root: Path) -> None:
    text = as_json(rng, mutated_tree(rng, SESSION))
    (root / "session.json").write_bytes(mutated(rng, text) if rng.random() < 0.3 else text)


def _change_names(rng: Random, root: Path) -> None:
    """Something else where a file should be, or under a name that looks like one."""
    partial = root / "scene_000000.partial"
    victim = rng.choice((partial / "journal.jsonl", partial / "view_000000.npz", root / "session.json", partial))
    if rng.random() < 0.5:
        victim.rename(root / "moved")
        victim.symlink_to(rng.choice(("/dev/null", "nowhere", victim.name, "..")))
        return
    name = rng.choice(("view_999999999999999999999.npz", "view_٣.npz", "scene_9999999999.h5", "scene_000000.h5"))
    (rng.choice((root, partial)) / name).write_bytes(b"x")


def read_folder(root: Path) -> None:
    """Open it as the next recorder does, take up the session, and keep what there is."""
    with RecordingFolder(root) as folder:
        goal = resume_session(folder).goal
        assert isinstance(goal.scenes, int) and isinstance(goal.views, int) and isinstance(goal.viewpoints, str)
        if folder.interrupted:
            assert all(isinstance(index, int) for index in (*folder.interrupted.stored, *folder.interrupted.skipped))
            finish_interrupted(folder)
    if folder.finished:
        for scene in open_dataset(root):
            assert scene.num_views


def test_every_interrupted_recording_is_resumed_or_refused(
    nursery: Nursery, share: Callable[[int], int], tmp_path: Path
) -> None:
    kind = Kind(write_folder, read_folder, (CaptureError,))
    expect_none_at_fault(nursery, kind, share(1500), tmp_path)
