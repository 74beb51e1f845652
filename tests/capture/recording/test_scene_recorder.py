"""One scene through recorder, view taker and storage, with pretended hardware."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pretend import INTRINSICS, Clock, PretendArm, PretendCamera, StraightPlanner

from capture.arms.arm import Interrupted
from capture.errors import CaptureError, PoseError
from capture.quality import QualityCheck
from capture.recording.approach import DrivenApproach, FreehandApproach
from capture.recording.progress import Progress, ProgressReporter
from capture.recording.scene_recorder import SceneLimits, SceneRecorder
from capture.recording.view_taking import ViewLimits, ViewTaker
from capture.storage.partial_scene import PartialScene
from capture.storage.recording_folder import RecordingFolder
from datasets.loading import open_dataset

VIEWS = 6
AZIMUTHS = np.linspace(0.3, 1.8, VIEWS)


class Desk:
    """A scene, ready to be recorded with a pretended arm and camera."""

    def __init__(self, folder: RecordingFolder) -> None:
        self.clock = Clock()
        self.arm = PretendArm(self.clock)
        self.camera = PretendCamera(self.clock, self.arm)
        limits = ViewLimits(pause=0)
        self.taker = ViewTaker(self.arm, self.camera, INTRINSICS, np.eye(4), np.eye(4), QualityCheck(), limits)
        self.scene: PartialScene = folder.begin_scene({}, VIEWS, 50_000)
        self.told: list[Progress] = []
        self.stop_after = np.inf  # progress reports

    def record(self, failures: int = 5) -> None:
        approach = DrivenApproach(self.arm, StraightPlanner(), [np.array([azimuth]) for azimuth in AZIMUTHS])
        progress = ProgressReporter(1, VIEWS, self.told.append, lambda: self.clock.now)
        progress.scene(1, len(self.scene.stored))
        SceneRecorder(
            self.scene,
            VIEWS,
            approach,
            self.taker,
            self.camera,
            progress,
            self.interrupted,
            SceneLimits(failures, pause=0),
        ).record()

    def interrupted(self) -> bool:
        return len(self.told) >= self.stop_after

    def journal(self, what: str) -> list[dict]:
        lines = [json.loads(line) for line in self.scene.journal.path.read_text().splitlines()]
        return [line for line in lines if what in (line["event"], line.get("what"))]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[RecordingFolder]:
    with RecordingFolder(tmp_path / "dataset") as folder:
        yield folder


@pytest.fixture
def desk(folder: RecordingFolder) -> Desk:
    return Desk(folder)


def test_all_views_are_stored_with_their_pictures_and_poses(desk: Desk, folder: RecordingFolder) -> None:
    desk.record()
    desk.scene.finish({"robot": "pretend"}, [], {})
    folder.__exit__(None, None, None)
    (scene,) = open_dataset(folder.root)
    folder.__enter__()
    assert scene.num_views == VIEWS and np.all(np.diff(scene.stamps) > 0)
    positions = 0.4 * np.column_stack([np.cos(AZIMUTHS), np.sin(AZIMUTHS), np.ones(VIEWS)])
    np.testing.assert_allclose(scene.T_world_camera[:, :3, 3], positions, atol=1e-9)
    clean = desk.camera.picture(AZIMUTHS[3]).astype(int)
    assert np.abs(scene.images[3] - clean).mean() < 3
    assert np.array_equal(scene.K[0], INTRINSICS.K)


def test_a_refused_motion_is_tried_once_more_before_the_view_is_put_off(desk: Desk) -> None:
    desk.arm.refusals = ["the arm stalled"]
    desk.record()
    assert len(desk.scene.stored) == VIEWS
    assert desk.arm.moves[:3] == pytest.approx([AZIMUTHS[0], AZIMUTHS[0], AZIMUTHS[1]])
    assert [line["reason"] for line in desk.journal("moved_again")] == ["the arm stalled"]
    assert not desk.journal("put_off")


def test_a_view_that_fails_is_taken_at_the_end_of_the_scene(desk: Desk) -> None:
    desk.arm.refusals = ["stalled", "stalled again"]
    desk.record()
    assert desk.scene.stored == list(range(VIEWS)) and not desk.scene.skipped
    assert [(line["view"], line["reason"]) for line in desk.journal("put_off")] == [(0, "stalled again")]
    assert desk.arm.moves[-1] == pytest.approx(AZIMUTHS[0])


def test_a_view_that_fails_twice_is_skipped_with_its_reason(desk: Desk) -> None:
    desk.camera.spoil = lambda image, _: np.full_like(image, 255) if desk.arm.azimuth == AZIMUTHS[2] else image
    desk.record()
    assert desk.scene.stored == [0, 1, 3, 4, 5]
    assert "over-exposed" in desk.scene.skipped[2]
    assert desk.told[-1].skipped == 1 and "over-exposed" in [p for p in desk.told if p.state == "skipped"][0].detail


def test_the_last_views_may_fail_twice_and_the_scene_is_finished_without_them(desk: Desk) -> None:
    desk.camera.spoil = lambda image, _: np.zeros_like(image) if desk.arm.azimuth >= AZIMUTHS[3] else image
    desk.record(failures=4)
    assert desk.scene.stored == [0, 1, 2] and list(desk.scene.skipped) == [3, 4, 5]


def test_a_picture_that_moves_after_the_arm_rests_is_waited_for(desk: Desk) -> None:
    def late(image: np.ndarray, stamp: float) -> np.ndarray:
        lag = 0.5 - (stamp - desk.rested)
        return image if lag <= 0 else desk.camera.picture(desk.arm.azimuth - 0.4 * lag)

    desk.rested = 0.0
    follow = desk.arm.follow
    desk.arm.follow = lambda *args: (follow(*args), setattr(desk, "rested", desk.clock.now))
    desk.camera.spoil = late
    desk.record()
    assert len(desk.scene.stored) == VIEWS
    assert all(0.25 < line["seconds"] < 0.8 for line in desk.journal("late_picture"))
    assert len(desk.journal("late_picture")) == VIEWS
    for index, view in desk.scene.views().items():
        assert np.abs(view.image - desk.camera.picture(AZIMUTHS[index]).astype(int)).mean() < 3


def test_a_picture_that_never_rests_is_refused(desk: Desk) -> None:
    desk.camera.spoil = lambda image, stamp: desk.camera.picture(stamp)
    with pytest.raises(CaptureError, match="3 views in a row failed, the last one because the picture still moves"):
        desk.record(failures=3)
    assert desk.scene.stored == []


def test_a_picture_that_rests_only_after_the_first_attempts_is_waited_for(desk: Desk) -> None:
    desk.arm.still_since = lambda *_: 1000.0  # as an arm that has not moved for long
    desk.camera.spoil = lambda image, stamp: image if stamp > 1005 else desk.camera.picture(stamp)
    desk.record()
    assert desk.scene.stored == list(range(VIEWS)) and not desk.journal("put_off")
    assert len(desk.journal("retried")) == 2


def test_who_asks_to_stop_does_not_wait_for_the_next_attempt(desk: Desk) -> None:
    desk.camera.spoil = lambda image, _: np.full_like(image, 255)
    asked: list[bool] = []
    taker = ViewTaker(
        desk.arm, desk.camera, INTRINSICS, np.eye(4), np.eye(4), QualityCheck(), ViewLimits(pause=60)
    )  # fmt: skip
    began = time.monotonic()
    with pytest.raises(Interrupted):
        taker.take(lambda *_, **__: asked.append(True), lambda: bool(asked))
    assert time.monotonic() - began < 30


def test_an_arm_that_creeps_while_it_is_photographed_is_noticed(desk: Desk) -> None:
    desk.arm.drift = 0.1
    with pytest.raises(CaptureError, match=r"the arm moved by \d+\.\d mm"):
        desk.record(failures=1)


def test_a_frame_that_was_refused_is_not_looked_at_again(desk: Desk) -> None:
    stamps: list[float] = []
    frame_after = desk.camera.frame_after
    desk.camera.frame_after = lambda stamp, timeout: stamps.append(stamp) or frame_after(stamp, timeout)
    desk.arm.still_since = lambda *_: 1000.0  # as an arm that has not moved for long
    desk.camera.spoil = lambda image, stamp: np.full_like(image, 255) if stamp < 1000.75 else image
    desk.record()
    assert desk.scene.stored == list(range(VIEWS)) and not desk.journal("put_off")
    assert stamps == sorted(stamps)


def test_a_gap_in_the_poses_is_told_and_tried_again(desk: Desk) -> None:
    known, gaps = desk.arm.T_base_tool, [1, 1]

    def with_gap(stamp: float) -> np.ndarray:
        if gaps:
            gaps.pop()
            raise PoseError("no pose at that time")
        return known(stamp)

    desk.arm.T_base_tool = with_gap
    desk.record()
    assert len(desk.scene.stored) == VIEWS
    assert [line["reason"] for line in desk.journal("retried")] == ["no pose at that time"] * 2


def test_a_lost_camera_is_opened_again(desk: Desk) -> None:
    desk.camera.losses = 1
    desk.record()
    assert len(desk.scene.stored) == VIEWS and desk.camera.openings == 1
    assert desk.journal("camera_lost")[0]["reason"] == "pretend camera: unplugged" and desk.journal("camera_back")


def test_a_camera_that_hangs_is_opened_anew_after_the_attempts_of_a_view(desk: Desk) -> None:
    desk.camera.hangs = True
    desk.record()
    assert desk.scene.stored == list(range(VIEWS)) and desk.camera.openings == 1
    assert len(desk.journal("retried")) == 4 and not desk.journal("put_off")
    assert desk.journal("camera_lost")[0]["reason"] == "pretend camera: it delivers none"


def test_a_camera_that_hangs_on_is_opened_anew_once_for_each_view(desk: Desk) -> None:
    desk.camera.hangs, desk.camera.cure = True, 3
    desk.record()
    assert desk.scene.stored == list(range(VIEWS)) and desk.camera.openings == 3
    assert [line["view"] for line in desk.journal("put_off")] == [0, 1]
    assert desk.journal("put_off")[0]["reason"].endswith("it delivers none, though it was opened anew")


def test_recording_stops_where_views_keep_failing_and_what_was_stored_stays(desk: Desk) -> None:
    desk.camera.spoil = lambda image, _: image if desk.arm.azimuth < AZIMUTHS[2] else np.zeros_like(image)
    with pytest.raises(CaptureError, match="3 views in a row failed.*resume"):
        desk.record(failures=3)
    assert desk.scene.stored == [0, 1]


def test_interrupting_keeps_what_was_stored_and_recording_goes_on_at_the_next_view(desk: Desk) -> None:
    desk.stop_after = 8
    with pytest.raises(Interrupted):
        desk.record()
    done = desk.scene.stored
    assert 0 < len(done) < VIEWS
    desk.stop_after, moves = np.inf, len(desk.arm.moves)
    desk.record()
    assert desk.scene.stored == list(range(VIEWS))
    assert len(desk.arm.moves) - moves == VIEWS - len(done)


def test_the_estimate_of_the_time_left_falls_to_zero(desk: Desk) -> None:
    desk.record()
    etas = [p.eta for p in desk.told if p.eta >= 0]
    assert etas[-1] == 0 and etas[0] > 3 and all(b <= a + 1e-6 for a, b in zip(etas, etas[1:], strict=False))


def test_freehand_views_are_taken_where_the_camera_rests_away_from_all_others(desk: Desk) -> None:
    taken: list[np.ndarray] = []
    approach = FreehandApproach(desk.arm, desk.taker.camera_pose, lambda: taken, distance=0.05, angle=10.0)
    path = iter([0.0, 0.01, 0.02, 0.2, 0.21, 0.0, 0.5])

    def still(*_: object) -> float:
        desk.arm.azimuth = next(path)
        return desk.clock.now

    desk.arm.still_since = still
    for expected in (0.0, 0.2, 0.5):
        approach.approach(0, lambda *_, **__: None, lambda: False)
        assert desk.arm.azimuth == expected
        taken.append(desk.taker.camera_pose(desk.clock.now))
