"""Recording, killed at random moments: what was told as stored is there, once, and the recording comes to its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
from kills import duration, killed, moment
from nursery import Nursery

from capture.storage.recorded_view import RecordedView
from capture.storage.recording_folder import RecordingFolder
from capture.storage.space import view_bytes
from datasets.loading import open_dataset
from datasets.scene_names import scene_number

HEIGHT, WIDTH, SCENES, VIEWS = 24, 32, 4, 5
Views = dict[tuple[int, int], np.ndarray]  # by scene and number


def drawn_view(scene: int, number: int) -> RecordedView:
    return RecordedView(
        image=np.random.default_rng([scene, number]).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8),
        stamp=1e9 + 100 * scene + number, T_world_camera=np.eye(4), K=np.diag([30.0, 30, 1]), distortion=np.zeros(5),
        depth=np.ones((HEIGHT, WIDTH), np.float32), truth=np.ones((HEIGHT, WIDTH), np.uint8),
        joint_positions=np.zeros(6), quality={"sharpness": 30.0},
    )  # fmt: skip


def record_it(root: Path, told: Path) -> None:
    """Record what is missing of the scenes, and note each view once it is stored."""
    with RecordingFolder(root) as folder, told.open("a", buffering=1) as notes:
        for _ in range(SCENES - len(folder.finished)):
            needed = view_bytes(HEIGHT, WIDTH, depth=True, truth=True)
            scene = folder.continue_scene() if folder.interrupted else folder.begin_scene({}, VIEWS, needed)
            for number in sorted(set(range(VIEWS)) - set(scene.stored)):
                scene.store(number, drawn_view(scene_number(scene.name), number))
                notes.write(f"{scene_number(scene.name)} {number}\n")
            scene.finish({}, [{"position": [0, 0, 0]}], {})


def recorded(root: Path) -> tuple[Views, int]:
    """The pictures of all views that the next recorder finds, and how many scenes are finished."""
    with RecordingFolder(root) as folder:
        at_work, finished = folder.interrupted, folder.finished
        views = {} if at_work is None else at_work.views()
    found = {(scene_number(at_work.name), number): view.image for number, view in views.items()} if at_work else {}
    for scene in open_dataset(root) if finished else []:
        found |= {
            (scene_number(scene.name), n): im for n, im in zip(scene.meta["view_numbers"], scene.images, strict=True)
        }
    return found, len(finished)


def test_recording_survives_kills_at_any_moment(nursery: Nursery, share: Callable[[int], int], tmp_path: Path) -> None:
    seconds = min(duration(nursery, record_it, tmp_path / name, tmp_path / f"{name}.told") for name in ("first", "one"))
    rng, kills, datasets = Random(0), 0, 0
    while kills < share(400):
        root, told = tmp_path / f"{datasets}", tmp_path / f"{datasets}.told"
        kills += killed(nursery, moment(rng, seconds), record_it, root, told)
        found, finished = recorded(root)
        stored = [tuple(map(int, line.split())) for line in told.read_text().splitlines()] if told.exists() else []
        assert len(stored) == len(set(stored)), "a view was recorded again"
        assert set(stored) <= set(found)
        for key, image in found.items():
            np.testing.assert_array_equal(image, drawn_view(*key).image)
        datasets += finished == SCENES
    root = tmp_path / f"{datasets}"
    assert nursery.wait(nursery.start(record_it, root, tmp_path / f"{datasets}.told")) == 0
    found, finished = recorded(root)
    assert finished == SCENES and set(found) == {(s, v) for s in range(SCENES) for v in range(VIEWS)}
