"""The RealSense, played from recordings through librealsense's own pipeline."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

rs = pytest.importorskip("pyrealsense2")

import pretended_realsense
from pretended_realsense import PretendedRealSense
from realsense_recording import DEPTH_UNITS, SERIAL, lens, record

from capture.cameras.opening import open_camera
from capture.cameras.realsense import RealSense
from capture.cameras.realsense_lens import intrinsics_from_realsense
from capture.cameras.realsense_source import unix_seconds
from capture.cameras.settings import RealSenseSettings
from capture.errors import CameraError, CameraLost, CameraSilent

SHAPE, COUNT, PATIENCE = (48, 64), 12, 30.0
SHIFT = 5  # pixels by which the depth camera sees everything further to the right
COEFFS = (0.12, -0.25, 0.001, -0.0007, 0.08)


def pictures() -> tuple[np.ndarray, np.ndarray]:
    """Images whose red counts, and depths: 1 m on the left, 2 m from column 30 on, both growing by 1 cm a frame."""
    numbers = np.arange(COUNT)
    images = np.zeros((COUNT, *SHAPE, 3), np.uint8)
    images[..., 0], images[..., 2] = 10 * numbers[:, None, None], 255
    metres = np.where(np.arange(SHAPE[1]) < 30, 1.0, 2.0) + 0.01 * numbers[:, None, None]
    return images, np.rint(np.broadcast_to(metres, (COUNT, *SHAPE)) / DEPTH_UNITS).astype(np.uint16)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("realsense") / "table.db3"
    color = lens(SHAPE, rs.distortion.brown_conrady, COEFFS)
    record(path, *pictures(), color, lens(SHAPE, ppx=color.ppx + SHIFT, ppy=color.ppy), without_depth=2)
    return path


def play(path: Path, **others: object) -> RealSense:
    return RealSense(RealSenseSettings(file=str(path), **others))


def frames_of(camera: RealSense) -> list:
    """All frames of a recording."""
    frames = []
    with pytest.raises(CameraLost, match="the recording has ended"):
        while True:
            frames.append(camera.frame_after(frames[-1].stamp if frames else 0.0, PATIENCE))
    return frames


def test_a_recording_plays_frame_by_frame_without_the_partial_ones(recording: Path) -> None:
    with play(recording) as camera:
        frames = frames_of(camera)
    numbers = [int(frame.image[0, 0, 0]) // 10 for frame in frames]
    assert numbers == list(range(numbers[0], COUNT)) and 2 <= numbers[0] <= 4
    assert np.all(np.diff([frame.stamp for frame in frames]) > 0)
    assert frames[0].image.dtype == np.uint8 and frames[0].image[0, 0, 2] == 255  # RGB


def test_depth_is_metres_aligned_to_colour_of_the_same_exposure(recording: Path) -> None:
    with play(recording) as camera:
        frame = camera.frame_after(0.0, PATIENCE)
    number = int(frame.image[0, 0, 0]) // 10
    assert frame.depth.dtype == np.float32 and frame.depth.shape == SHAPE
    # Distortion moves what is far from the middle; in the middle row, the step lies SHIFT further to the left.
    middle = frame.depth[SHAPE[0] // 2]
    np.testing.assert_allclose(middle[15 : 30 - SHIFT - 2], 1 + 0.01 * number, atol=2e-3)
    np.testing.assert_allclose(middle[30 - SHIFT + 2 : 50], 2 + 0.01 * number, atol=2e-3)


def test_intrinsics_and_serial_are_the_cameras_own(recording: Path) -> None:
    camera = open_camera(RealSenseSettings(file=str(recording)))
    with camera:
        lens_read = camera.intrinsics
        assert camera.serial == SERIAL
    expected = lens(SHAPE)
    np.testing.assert_allclose(
        lens_read.K, [[expected.fx, 0, expected.ppx], [0, expected.fy, expected.ppy], [0, 0, 1]], rtol=1e-6
    )
    np.testing.assert_allclose(lens_read.distortion, COEFFS, rtol=1e-6)
    assert (lens_read.height, lens_read.width) == SHAPE


def test_a_recording_can_be_opened_again(recording: Path) -> None:
    camera = play(recording)
    for _ in range(2):
        with camera:
            asked = time.time()
            assert camera.frame_after(asked, PATIENCE).stamp > asked


def test_a_recording_that_does_not_begin_to_play_is_opened_anew(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As happens to one opening in some hundreds: librealsense starts, and its reading thread never does."""
    starts, start = [], rs.pipeline.start

    def starting(pipeline: rs.pipeline, config: rs.config) -> rs.pipeline_profile:
        starts.append(config)
        return start(pipeline, config)

    def unless_stuck(method: object, stuck: object) -> object:
        return lambda self, *given: method(self, *given) if len(starts) > 1 else stuck

    monkeypatch.setattr(rs.pipeline, "start", starting)
    for kind, name, stuck in (
        (rs.pipeline, "try_wait_for_frames", (False, None)),
        (rs.playback, "current_status", rs.playback_status.stopped),
    ):
        monkeypatch.setattr(kind, name, unless_stuck(getattr(kind, name), stuck))
    with play(recording) as camera:
        assert camera.frame_after(0.0, PATIENCE).image[0, 0, 2] == 255
    assert len(starts) == 2


def test_depth_and_colour_out_of_step_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "out_of_step.db3"
    record(path, *pictures(), lens(SHAPE), lens(SHAPE), late_depth=0.5)
    with play(path) as camera:
        with pytest.raises(CameraError, match="is missing|out of step"):
            camera.frame_after(0.0, 2.0)


@pytest.mark.parametrize("content", [None, "not a recording"])
def test_what_is_no_recording_is_told(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "broken.db3"
    if content:
        path.write_text(content)
    with pytest.raises(CameraError, match="broken.db3: (no such recording|cannot be played)") as error:
        play(path).__enter__()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("serial", ["", "42"])
def test_a_camera_that_is_not_connected_is_told(serial: str) -> None:
    with pytest.raises(CameraError, match="no RealSense .*to use; there are: none: plug it into USB 3"):
        RealSense(RealSenseSettings(serial=serial, startup=0.1)).__enter__()


def test_stamps_are_unix_seconds_and_never_the_cameras_own_clock() -> None:
    def frame(domain: rs.timestamp_domain) -> SimpleNamespace:
        return SimpleNamespace(get_frame_timestamp_domain=lambda: domain, get_timestamp=lambda: 1_700_000_000_250.0)

    assert unix_seconds(frame(rs.timestamp_domain.global_time)) == 1_700_000_000.25
    assert unix_seconds(frame(rs.timestamp_domain.system_time)) == 1_700_000_000.25
    with pytest.raises(CameraError, match="global_time_enabled"):
        unix_seconds(frame(rs.timestamp_domain.hardware_clock))


@pytest.mark.parametrize("model", ["none", "brown_conrady", "inverse_brown_conrady", "modified_brown_conrady"])
def test_opencv_projects_as_the_camera_does(model: str) -> None:
    there = lens((480, 640), getattr(rs.distortion, model), (0,) * 5 if model == "none" else COEFFS)
    ours = intrinsics_from_realsense(there)
    corners = [(x, y, 1.0) for x in (-0.5, -0.2, 0.1, 0.5) for y in (-0.38, 0.0, 0.38)]
    theirs = [rs.rs2_project_point_to_pixel(there, corner) for corner in corners]
    opencv, _ = cv2.projectPoints(np.array(corners), np.zeros(3), np.zeros(3), ours.K, ours.distortion)
    np.testing.assert_allclose(opencv[:, 0], theirs, atol=0.1)


@pytest.mark.parametrize("model", ["ftheta", "kannala_brandt4"])
def test_a_fisheye_lens_is_refused(model: str) -> None:
    with pytest.raises(CameraError, match=f"lens model {model}.*fisheye"):
        intrinsics_from_realsense(lens((480, 640), getattr(rs.distortion, model), (0.9, 0.01, 0, 0, 0), fx=280, fy=280))


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> PretendedRealSense:
    return PretendedRealSense(monkeypatch)


def live(**others: object) -> RealSense:
    return RealSense(RealSenseSettings(**{"warm_up": 0.05, "startup": 0.1, **others}))


def test_automatics_settle_and_are_then_fixed_where_they_are(connected: PretendedRealSense) -> None:
    with live():
        assert connected.options == {
            rs.option.enable_auto_exposure: 0,
            rs.option.exposure: 312,
            rs.option.enable_auto_white_balance: 0,
            rs.option.white_balance: 5100,
        }
    with live(exposure=80):
        assert connected.options[rs.option.exposure] == 80
    assert not connected.is_streaming


def test_a_frame_was_exposed_after_the_asked_time(connected: PretendedRealSense) -> None:
    with live() as camera:
        asked = time.time()
        frame = camera.frame_after(asked, PATIENCE)
        assert asked < frame.stamp <= time.time()
        np.testing.assert_allclose(frame.depth, 1.5, rtol=1e-6)
        assert camera.serial == pretended_realsense.SERIAL


def test_depth_that_falls_out_of_step_is_told_by_how_much(connected: PretendedRealSense) -> None:
    with live() as camera:
        connected.late = 0.2
        with pytest.raises(CameraError, match=r"no frame within 0.1 s: depth and colour are out of step by \+0.200 s"):
            camera.frame_after(time.time(), 0.1)


def test_an_unplugged_camera_is_lost_and_works_again_with_the_same_exposure(connected: PretendedRealSense) -> None:
    camera = live()
    with camera:
        connected.is_plugged = False
        with pytest.raises(CameraLost, match="is gone: unplugged"):
            camera.frame_after(time.time(), PATIENCE)
    with pytest.raises(CameraError, match=f"no RealSense with serial {pretended_realsense.SERIAL} to use"):
        camera.__enter__()
    camera.__exit__()
    connected.is_plugged = True
    connected.options.clear()
    with camera:
        asked = time.time()
        assert camera.frame_after(asked, PATIENCE).stamp > asked
        assert connected.options[rs.option.exposure] == 312


def test_a_camera_that_hangs_is_reset_when_it_is_opened_again(connected: PretendedRealSense) -> None:
    camera = live()
    with camera:
        connected.hangs = True
        with pytest.raises(CameraSilent, match="no frame within 0.1 s"):
            camera.frame_after(time.time(), 0.1)
    assert connected.resets == 0
    for _ in range(2):
        with camera:
            asked = time.time()
            assert camera.frame_after(asked, PATIENCE).stamp > asked
    assert connected.resets == 1


def test_a_camera_whose_frames_do_not_fit_does_not_hang(connected: PretendedRealSense) -> None:
    camera = live()
    with camera:
        connected.late = 0.2
        with pytest.raises(CameraError, match="out of step") as error:
            camera.frame_after(time.time(), 0.1)
        assert not isinstance(error.value, CameraSilent)
    with camera:
        assert connected.resets == 0


@pytest.mark.parametrize("call", ["query_devices", "get_info", "set_option"])
def test_what_the_library_raises_while_it_is_opened_is_one_line(connected: PretendedRealSense, call: str) -> None:
    camera = live()
    connected.hiccups = [call]
    with pytest.raises(CameraError, match=f"^RealSense: cannot be .*: {call} failed: Input/output error$"):
        camera.__enter__()
    with camera:
        assert camera.frame_after(time.time(), PATIENCE).depth is not None


def test_a_frame_that_the_library_cannot_align_is_a_lost_camera(connected: PretendedRealSense) -> None:
    with live() as camera:
        connected.hiccups = ["process"]
        with pytest.raises(CameraLost, match="^RealSense: fails: process failed: Input/output error$"):
            camera.frame_after(time.time(), PATIENCE)


def test_a_bus_that_cannot_be_looked_at_is_a_lost_camera(connected: PretendedRealSense) -> None:
    with live() as camera:
        connected.hangs, connected.hiccups = True, ["query_devices"]
        with pytest.raises(CameraLost, match="fails: query_devices failed"):
            camera.frame_after(time.time(), PATIENCE)
