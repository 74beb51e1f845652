"""A RealSense's recording (made by its own library, .db3) through `rs.pipeline` into a scene with depth."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest
from pretend import Clock, PretendArm, StraightPlanner

pytest.importorskip("pyrealsense2")
sys.path.append(str(Path(__file__).parents[1] / "cameras"))

from realsense_recording import DEPTH_UNITS, SERIAL, lens, record

from capture.cameras.camera import Camera, Frame
from capture.cameras.opening import open_camera
from capture.cameras.settings import RealSenseSettings
from capture.quality import QualityCheck
from capture.recording.approach import DrivenApproach
from capture.recording.progress import ProgressReporter
from capture.recording.scene_recorder import SceneRecorder
from capture.recording.view_taking import ViewTaker
from capture.storage.recording_folder import RecordingFolder
from datasets.loading import open_dataset
from datasets.scene import Scene
from datasets.synthesis.table_cubes import TableRenderer, make_scene

VIEWS, WIDTH, HEIGHT = 4, 320, 240
TOP = (WIDTH - HEIGHT) // 2  # the renderer's pictures are square


@pytest.fixture(scope="module")
def truth() -> Scene:
    with TableRenderer(WIDTH) as renderer:
        return make_scene(renderer, seed=4, index=0, views=VIEWS)


def view_of(image: np.ndarray, pictures: np.ndarray) -> int:
    """Which of the true pictures [V,H,W,3] an image shows."""
    return int(np.abs(pictures.astype(int) - image).mean((1, 2, 3)).argmin())


class ArmOfThePicture(PretendArm):
    """Is where the camera of the true scene was that took the newest picture. (Of a recording, the first frames may be
    lost: librealsense drops those that are not complete.)"""

    def __init__(self, camera: Camera, pictures: np.ndarray, poses: np.ndarray) -> None:
        super().__init__(Clock())
        self._pictures, self._poses = pictures, poses
        self._newest = 0
        self._frame_after, camera.frame_after = camera.frame_after, self._watch

    def _watch(self, stamp: float, timeout: float) -> Frame:
        frame = self._frame_after(stamp, timeout)
        self._newest = view_of(frame.image, self._pictures)
        return frame

    def still_since(self, *_: object) -> float:
        return time.time()

    def T_base_tool(self, stamp: float) -> np.ndarray:
        return self._poses[self._newest]


def test_a_recorded_realsense_becomes_a_scene_with_depth_and_its_own_intrinsics(truth: Scene, tmp_path: Path) -> None:
    rows = slice(TOP, TOP + HEIGHT)
    pictures, depth = truth.images[:, rows], truth.depth[:, rows]
    shown = np.repeat(np.arange(VIEWS), [7, *[4] * (VIEWS - 1)])  # frames of each view: the camera rested
    noise = np.random.default_rng(0).integers(-1, 2, (len(shown), HEIGHT, WIDTH, 3))
    images = np.clip(pictures[shown] + noise, 0, 255).astype(np.uint8)
    K = truth.K[0] - [[0, 0, 0], [0, 0, TOP], [0, 0, 0]]
    of_both = lens((HEIGHT, WIDTH), fx=K[0, 0], fy=K[1, 1], ppx=K[0, 2], ppy=K[1, 2])
    record(tmp_path / "table.db3", images, np.rint(depth / DEPTH_UNITS).astype(np.uint16)[shown], of_both, of_both)

    settings = RealSenseSettings(file=str(tmp_path / "table.db3"), warm_up=0)
    with open_camera(settings) as camera, RecordingFolder(tmp_path / "dataset") as folder:
        arm = ArmOfThePicture(camera, pictures, truth.T_world_camera)
        scene = folder.begin_scene({}, VIEWS, 10**6)
        taker = ViewTaker(arm, camera, camera.intrinsics, np.eye(4), np.eye(4), QualityCheck())
        approach = DrivenApproach(arm, StraightPlanner(), [np.array([float(view)]) for view in range(VIEWS)])
        progress = ProgressReporter(1, VIEWS, lambda _: None)
        SceneRecorder(scene, VIEWS, approach, taker, camera, progress, lambda: False).record()
        scene.finish({"camera": camera.kind, "camera_serial": camera.serial}, truth.objects, {})

    recorded = open_dataset(tmp_path / "dataset")[0]
    views = [view_of(image, pictures) for image in recorded.images]
    assert recorded.num_views == VIEWS and len(set(views)) > 1
    assert all((image == images).all((1, 2, 3)).any() for image in recorded.images)  # as the camera gave it
    known = recorded.depth > 0  # aligning to colour leaves holes
    assert known.mean() > 0.95
    assert np.percentile(np.abs(recorded.depth - depth[views])[known], 99) < 3e-3  # it moves it by up to a pixel
    np.testing.assert_array_equal(recorded.T_world_camera, truth.T_world_camera[views])
    np.testing.assert_allclose(recorded.K, np.broadcast_to(K, (VIEWS, 3, 3)), atol=1e-4)
    assert recorded.meta["camera_serial"] == SERIAL
