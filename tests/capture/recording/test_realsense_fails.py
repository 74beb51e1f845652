"""A scene with a RealSense that hangs or fails meanwhile: pyrealsense2 is pretended, the rest is ours."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from pretend import Clock, PretendArm, PretendCamera, StraightPlanner

pytest.importorskip("pyrealsense2")
sys.path.append(str(Path(__file__).parents[1] / "cameras"))

from pretended_realsense import PretendedRealSense

from capture.cameras.opening import open_camera
from capture.cameras.settings import RealSenseSettings
from capture.quality import QualityCheck
from capture.recording.approach import DrivenApproach
from capture.recording.progress import Progress, ProgressReporter
from capture.recording.scene_recorder import SceneLimits, SceneRecorder
from capture.recording.view_taking import ViewLimits, ViewTaker
from capture.storage.recording_folder import RecordingFolder

AZIMUTHS = np.linspace(0.3, 1.2, 4)


class ArmOfNow(PretendArm):
    """Rests now, on the real clock."""

    def still_since(self, *_: object) -> float:
        return time.time()


class Table:
    """A scene of four views with a connected RealSense; `on_stored` is called once, after the second."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: RecordingFolder) -> None:
        self.device, self._arm = PretendedRealSense(patch), ArmOfNow(Clock())
        sees = PretendCamera(Clock(), self._arm)
        self.device.picture = lambda: sees.picture(self._arm.azimuth)
        self.scene = folder.begin_scene({}, len(AZIMUTHS), 10**5)
        self.on_stored = lambda: None

    def record(self) -> list[str]:
        """Record all; what was noted meanwhile."""
        with open_camera(RealSenseSettings(warm_up=0.05, startup=1.0)) as camera:
            limits = ViewLimits(pause=0, frame=0.5)
            taker = ViewTaker(self._arm, camera, camera.intrinsics, np.eye(4), np.eye(4), QualityCheck(), limits)
            approach = DrivenApproach(self._arm, StraightPlanner(), [np.array([azimuth]) for azimuth in AZIMUTHS])
            progress = ProgressReporter(1, len(AZIMUTHS), self._watch)
            SceneRecorder(
                self.scene, len(AZIMUTHS), approach, taker, camera, progress, lambda: False, SceneLimits(pause=0)
            ).record()  # fmt: skip
        return [json.loads(line)["event"] for line in self.scene.journal.path.read_text().splitlines()]

    def _watch(self, progress: Progress) -> None:
        if progress.stored == 2:
            self.on_stored()
            self.on_stored = lambda: None


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Table:
    with RecordingFolder(tmp_path / "dataset") as folder:
        yield Table(monkeypatch, folder)


def test_a_camera_that_sends_nothing_until_it_is_started_again_costs_no_view(table: Table) -> None:
    table.on_stored = lambda: setattr(table.device, "hangs", True)
    noted = table.record()
    assert table.scene.stored == [0, 1, 2, 3] and not table.scene.skipped
    assert table.device.resets == 1 and noted.count("camera_back") == 1 and "put_off" not in noted


@pytest.mark.parametrize("call", ["set_option", "get_info", "query_devices"])
def test_a_hiccup_of_the_library_after_replugging_costs_no_view(table: Table, call: str) -> None:
    table.on_stored = lambda: setattr(table.device, "hiccups", ["process", call])
    noted = table.record()
    assert table.scene.stored == [0, 1, 2, 3] and not table.device.hiccups
    assert noted.count("camera_lost") == noted.count("camera_back") == 1
