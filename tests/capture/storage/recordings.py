"""Small recordings for the tests of storage: every view is known from the numbers of its scene and its own."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from capture.storage.partial_scene import PartialScene
from capture.storage.recorded_view import RecordedView
from capture.storage.recording_folder import RecordingFolder
from capture.storage.space import view_bytes
from datasets.loading import open_dataset
from datasets.scene import Scene

HEIGHT, WIDTH, VIEWS = 12, 16, 3
BYTES = view_bytes(HEIGHT, WIDTH, depth=True, truth=True)


def drawn_view(scene: int, index: int, size: tuple[int, int] = (HEIGHT, WIDTH)) -> RecordedView:
    rng = np.random.default_rng([scene, index])
    pose = np.eye(4)
    pose[:3, 3] = rng.normal(size=3)
    return RecordedView(
        image=rng.integers(0, 256, (*size, 3), dtype=np.uint8),
        stamp=1e9 + 100 * scene + index,
        T_world_camera=pose,
        K=np.diag([300.0 + scene, 301, 1]),
        distortion=rng.normal(size=5),
        depth=rng.integers(0, 9000, size).astype(np.float32) / 10000,
        truth=rng.integers(0, 3, size, dtype=np.uint8),
        joint_positions=rng.normal(size=6),
        quality={"sharpness": float(index), "overexposed": 0.25},
    )


def same(a: RecordedView, b: RecordedView) -> bool:
    """Whether two views are equal bit for bit."""

    def equal(x, y) -> bool:
        if isinstance(x, np.ndarray):
            return isinstance(y, np.ndarray) and x.dtype == y.dtype and np.array_equal(x, y)
        return x == y

    return all(equal(getattr(a, field.name), getattr(b, field.name)) for field in dataclasses.fields(RecordedView))


def begin(folder: RecordingFolder) -> PartialScene:
    return folder.begin_scene({"viewpoints": "ring"}, VIEWS, BYTES)


def number_of(scene: PartialScene) -> int:
    return int(scene.name.removeprefix("scene_"))


def record(folder: RecordingFolder, views: int = VIEWS) -> str:
    """Record one whole scene; its name."""
    scene = begin(folder)
    for index in range(views):
        scene.store(index, drawn_view(number_of(scene), index))
    finish(scene)
    return scene.name


def finish(scene: PartialScene) -> None:
    scene.finish({"robot": "simulated"}, [{"position": [0, 0, 0]}, {"position": [0, 1, 0]}], {"seed": 7})


def contents(root: Path) -> list[str]:
    """Everything in a folder, but the lock."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.name != ".recorder.lock")


def expect_all(root: Path, stored: set[tuple[int, int]]) -> None:
    """Open the folder as the next recorder does: all views of `stored`, (scene, index), must be there, bit for bit, and
    no rubbish. No journal may have named a view that was not there."""
    with RecordingFolder(root) as folder:
        assert folder.notices == [] or "now it is" in folder.notices[0]
        finished, interrupted = folder.finished, folder.interrupted
        views = interrupted.views() if interrupted else {}
    for index, view in views.items():
        assert same(view, drawn_view(int(interrupted.name[-6:]), index))
    found = {(int(interrupted.name[-6:]), index) for index in views} if interrupted else set()
    dataset = open_dataset(root) if finished else []
    assert sorted(finished) == sorted(scene.name for scene in dataset)
    for scene in dataset:
        expect_recorded(scene)
        found |= {(int(scene.name[-6:]), index) for index in scene.meta["view_numbers"]}
    assert stored <= found
    assert not [path for path in root.rglob("*") if path.name.endswith(".writing")]
    partial = [f"{interrupted.name}.partial"] if interrupted else []
    assert [path.name for path in root.glob("*.partial")] == partial
    journals = sorted((root / "journals").glob("*"))
    assert [path.stem for path in journals] == sorted(finished)
    if interrupted:
        journals.append(interrupted.journal.path)
    assert not [path for path in journals if '"lost"' in path.read_text()]


def expect_recorded(scene: Scene) -> None:
    """Every view of a finished scene is the one that was drawn for it."""
    views = [drawn_view(int(scene.name[-6:]), index) for index in scene.meta["view_numbers"]]
    np.testing.assert_array_equal(scene.images, [view.image for view in views])
    np.testing.assert_array_equal(scene.masks, [view.truth for view in views])
    np.testing.assert_array_equal(scene.T_world_camera, [view.T_world_camera for view in views])
    np.testing.assert_allclose(scene.depth, [view.depth for view in views], atol=0.5e-4)
