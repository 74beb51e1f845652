"""Taking views by hand and by arm, with a camera and an arm that are pretended."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from board_views import LENS, T_BASE_BOARD, T_TOOL_CAMERA, camera_poses, picture

from capture.arms.arm import Arm, Interrupted
from capture.calibration.board import BOARD
from capture.calibration.collecting import Collector
from capture.calibration.guides import HandEyeGuide, LensGuide
from capture.calibration.view_folder import Setup, ViewFolder, read_views
from capture.cameras.camera import Camera, Frame
from capture.errors import CameraError, CameraLost, MotionError, PoseError
from capture.picture_at_rest import PictureAtRest
from capture.quality import QualityCheck

RATE = 10.0  # frames a second
GREY = np.full((480, 640, 3), 128, np.uint8)


class ScriptedCamera(Camera):
    """Gives one image after the other, or raises what stands in an image's place."""

    kind, serial = "webcam", "CAM1"

    def __init__(self, images: Iterator) -> None:
        self._frames = enumerate(images, 1)
        self.asked: list[float] = []  # after which stamps

    def __enter__(self) -> ScriptedCamera:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def intrinsics(self) -> None:
        return None

    def frame_after(self, stamp: float, timeout: float) -> Frame:
        self.asked.append(stamp)
        number, image = next(self._frames, (0, None))
        if image is None:
            raise Interrupted  # the script is over
        if isinstance(image, Exception):
            raise image
        return Frame(image, number / RATE)


class ScriptedArm(Arm):
    """Says that the tool is where `poses` has it; an exception there is raised."""

    name = "ur5e"

    def __init__(self, poses: Iterator) -> None:
        self._poses = iter(poses)
        self.goals: list[object] = []

    def __enter__(self) -> ScriptedArm:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def joints(self) -> None:
        return None

    def follow(self, trajectory: object, interrupted: Callable[[], bool]) -> None:
        if interrupted():
            raise Interrupted
        self.goals.append(trajectory)

    def stop(self) -> None:
        pass

    def still_since(self, timeout: float, interrupted: Callable[[], bool]) -> float:
        return 0.0

    def T_base_tool(self, stamp: float) -> np.ndarray:
        pose = next(self._poses)
        if isinstance(pose, Exception):
            raise pose
        return pose


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def looks() -> list[tuple[np.ndarray, np.ndarray]]:
    """Pictures of the board, and T_base_tool of each."""
    rng = np.random.default_rng(3)
    poses = camera_poses(rng, 4)
    tools = [T_BASE_BOARD @ pose @ np.linalg.inv(T_TOOL_CAMERA) for pose in poses]
    return [(picture(np.linalg.inv(pose), rng), tool) for pose, tool in zip(poses, tools, strict=True)]


def collector(tmp_path: Path, said: list[str], images: list, arm: Arm | None, guide: object = None) -> Collector:
    folder = ViewFolder(tmp_path / "views", Setup("CAM1", BOARD))
    guide = guide or (LensGuide(BOARD, 20) if arm is None else HandEyeGuide(20))
    where = None if arm is None else arm.T_base_tool
    camera = ScriptedCamera(images)
    picture = PictureAtRest(camera, QualityCheck())
    return Collector(camera, where, BOARD, guide, folder, said.append, lambda: False, picture)


def at_rest(images: list) -> list:
    """Two frames of each image, as a camera gives them where it rests."""
    return [image for image in images for _ in range(2)]


def reasons(said: list[str]) -> list[str]:
    return [line.rpartition("[")[2].rstrip("]") for line in said]


def test_by_hand_a_view_is_taken_once_the_board_has_been_still(tmp_path: Path, said: list[str], looks: list) -> None:
    one, other = looks[0][0], looks[1][0]
    session = collector(tmp_path, said, [one] * 8 + [other] * 8, None)
    with pytest.raises(Interrupted):
        session.by_hand()
    found = [reason for reason, _ in itertools.groupby(reasons(said))]
    once = ["moving: hold it still", "hold it so", "taken", "like one that was taken already"]
    assert found == once * 2
    assert session.folder.count == 2


def test_by_hand_a_board_that_keeps_moving_is_never_taken(tmp_path: Path, said: list[str], looks: list) -> None:
    session = collector(tmp_path, said, [looks[i % 2][0] for i in range(12)], None)
    with pytest.raises(Interrupted):
        session.by_hand()
    assert set(reasons(said)) == {"moving: hold it still"}
    assert session.folder.count == 0


def test_by_hand_blurred_and_empty_pictures_are_told_apart(tmp_path: Path, said: list[str], looks: list) -> None:
    import cv2

    blurred = cv2.GaussianBlur(looks[0][0], (0, 0), 1.3)
    with pytest.raises(Interrupted):
        collector(tmp_path, said, [blurred, GREY], None).by_hand()
    assert "not sharp: edges take" in reasons(said)[0]
    assert reasons(said)[1] == "0 of 24 corners seen: show more of the board"


def test_by_hand_goes_on_after_a_lost_frame_and_ends_with_a_lost_camera(
    tmp_path: Path, said: list[str], looks: list
) -> None:
    images = [CameraError("no frame within 5 s"), *[looks[0][0]] * 8, CameraLost("unplugged")]
    session = collector(tmp_path, said, images, None)
    with pytest.raises(CameraLost, match="unplugged"):
        session.by_hand()
    assert said[0] == "no frame within 5 s"
    assert session.folder.count == 1


def test_by_hand_goes_on_where_the_clock_is_set_back(tmp_path: Path, said: list[str], looks: list) -> None:
    session = collector(tmp_path, said, [GREY, CameraError("the newest is older than asked for"), GREY], None)
    with pytest.raises(Interrupted):
        session.by_hand()
    assert session.camera.asked[:3] == [0.0, 1 / RATE, 0.0]


def test_by_hand_ends_once_the_guide_has_enough(tmp_path: Path, said: list[str], looks: list) -> None:
    class OneIsEnough(LensGuide):
        @property
        def done(self) -> bool:
            return self._count == 1

    session = collector(tmp_path, said, [looks[0][0]] * 50, None, OneIsEnough(BOARD, 1))
    session.by_hand()
    assert session.folder.count == 1


def test_pose_and_picture_of_a_view_stay_together_whatever_fails_before(
    tmp_path: Path, said: list[str], looks: list
) -> None:
    """The second pose is not known, the third picture shows no board: neither shifts the pairs after it."""
    images = at_rest([looks[0][0], looks[1][0], GREY, looks[2][0], looks[3][0]])
    arm = ScriptedArm([looks[0][1], PoseError("tf gap"), looks[2][1], looks[3][1]])
    session = collector(tmp_path, said, images, arm)
    session.by_arm(arm, lambda goal: goal, range(5))
    assert reasons(said)[1:3] == ["tf gap", "0 of 24 corners seen: show more of the board"]
    views = read_views(session.folder.path, BOARD)
    assert [np.round(view.T_base_tool, 9).tolist() for view in views] == [
        np.round(looks[i][1], 9).tolist() for i in (0, 2, 3)
    ]
    for view, i in zip(views, (0, 2, 3), strict=True):
        assert np.array_equal(view.detection.corners, BOARD.detect(looks[i][0]).corners)


def test_by_arm_a_pose_that_is_not_reached_is_left_out_with_the_reason(
    tmp_path: Path, said: list[str], looks: list
) -> None:
    def trajectory_to(goal: int) -> int:
        if goal == 0:
            raise MotionError("the table is in the way")
        return goal

    arm = ScriptedArm([looks[0][1]])
    session = collector(tmp_path, said, at_rest([looks[0][0]]), arm)
    session.by_arm(arm, trajectory_to, [0, 1])
    assert reasons(said) == ["left out: the table is in the way", "taken"]
    assert arm.goals == [1]


def test_by_arm_a_picture_that_lags_behind_the_arm_is_waited_for(tmp_path: Path, said: list[str], looks: list) -> None:
    """What a camera shows whose stamps are late: the arm rests, and the pictures are still of its way there."""
    images = [looks[2][0], looks[3][0], looks[0][0], looks[0][0]]
    arm = ScriptedArm([looks[0][1]])
    session = collector(tmp_path, said, images, arm)
    session.by_arm(arm, lambda goal: goal, [0])
    (view,) = read_views(session.folder.path, BOARD)
    assert np.array_equal(view.detection.corners, BOARD.detect(looks[0][0]).corners)


def test_by_arm_a_picture_that_never_rests_is_left_out(tmp_path: Path, said: list[str], looks: list) -> None:
    images = [looks[i % 2][0] for i in range(40)]
    session = collector(tmp_path, said, images, arm := ScriptedArm([]))
    session.by_arm(arm, lambda goal: goal, [0])
    assert reasons(said)[0].startswith("left out: the picture still moves 2.")
    assert session.folder.count == 0


def test_by_arm_a_short_silence_of_the_driver_costs_few_views(tmp_path: Path, said: list[str], looks: list) -> None:
    back = time.monotonic() + 1.5

    def trajectory_to(goal: int) -> int:
        if time.monotonic() < back:
            raise MotionError("/joint_states has been silent for 0.6 s")
        return goal

    arm = ScriptedArm(tool for _, tool in looks)
    collector(tmp_path, said, at_rest([image for image, _ in looks]), arm).by_arm(arm, trajectory_to, range(6))
    assert reasons(said).count("taken") == 4


def test_by_arm_stops_as_asked(tmp_path: Path, said: list[str], looks: list) -> None:
    from dataclasses import replace

    arm = ScriptedArm([])
    session = replace(collector(tmp_path, said, [looks[0][0]], arm), interrupted=lambda: True)
    with pytest.raises(Interrupted):
        session.by_arm(arm, lambda goal: goal, [1])
    assert session.folder.count == 0


def test_hand_eye_guide_asks_for_tilt_until_two_axes_are_turned_about() -> None:
    rng = np.random.default_rng(0)
    guide = HandEyeGuide(10)
    rolls = [pose for pose in camera_poses(rng, 12, tilt=1, roll=60)]
    for pose in rolls:
        guide.add(None, pose)
    assert not guide.done and "tilt the camera" in guide.status
    for pose in camera_poses(rng, 6, tilt=45):
        guide.add(None, pose)
    assert guide.done


def test_hand_eye_guide_takes_no_pose_twice() -> None:
    guide = HandEyeGuide(10)
    pose = camera_poses(np.random.default_rng(0), 1)[0]
    assert guide.is_new(None, pose)
    guide.add(None, pose)
    assert not guide.is_new(None, pose)


def test_lens_of_the_camera_is_kept_with_the_views(tmp_path: Path) -> None:
    from capture.calibration.view_folder import read_setup

    ViewFolder(tmp_path / "views", Setup("CAM1", BOARD, "ur5e", LENS))
    assert np.array_equal(read_setup(tmp_path / "views").lens.distortion, LENS.distortion)
