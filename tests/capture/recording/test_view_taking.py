"""What is kept of one view: the pose, joint angles, depth and truth that belong to its very exposure."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from pretend import INTRINSICS, Clock, PretendArm, PretendCamera
from scipy.spatial.transform import Rotation

from capture.cameras.camera import Frame
from capture.quality import QualityCheck
from capture.recording.view_taking import ViewLimits, ViewRejected, ViewTaker
from capture.storage.recorded_view import RecordedView
from datasets.camera import rigid

BASE = Rotation.from_euler("xyz", [0.3, -0.2, 1.1]), np.array([0.7, -0.4, 0.2])  # in the world
MOUNT = Rotation.from_euler("xyz", [-1.0, 0.5, 0.4]), np.array([0.03, -0.08, 0.05])  # the camera in the tool's frame
TOOL = Rotation.from_euler("xyz", [2.0, 0.1, -0.7]), np.array([0.4, 0.3, 0.5])
BETWEEN_FRAMES = 0.1  # s, of the pretended camera


class Bench:
    """A pretended arm and camera, and what takes views with them. The picture rests, whatever the arm does."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.arm = PretendArm(self.clock)
        self.camera = PretendCamera(self.clock, self.arm)
        self.T_world_base = self.T_tool_camera = np.eye(4)

    def take(self) -> RecordedView:
        taker = ViewTaker(
            self.arm, self.camera, INTRINSICS, self.T_world_base, self.T_tool_camera, QualityCheck(),
            ViewLimits(attempts=1),
        )  # fmt: skip
        return taker.take(lambda *_, **__: None, lambda: False)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def transform(pose: tuple[Rotation, np.ndarray]) -> np.ndarray:
    return rigid(pose[0].as_matrix(), pose[1])


def test_a_point_of_the_camera_lies_in_the_world_where_mount_arm_and_base_carry_it(bench: Bench) -> None:
    bench.T_world_base, bench.T_tool_camera = transform(BASE), transform(MOUNT)
    bench.arm.T_base_tool = lambda stamp: transform(TOOL)
    pose = bench.take().T_world_camera
    point = carried = np.array([0.1, -0.2, 0.6])
    for rotation, translation in (MOUNT, TOOL, BASE):
        carried = rotation.apply(carried) + translation
    np.testing.assert_allclose(pose @ [*point, 1], [*carried, 1], atol=1e-12)
    np.testing.assert_allclose(pose[:3, :3], (BASE[0] * TOOL[0] * MOUNT[0]).as_matrix(), atol=1e-12)


def test_a_view_has_the_pose_of_its_own_exposure_where_the_arm_still_creeps(bench: Bench) -> None:
    speed = 1e-3  # m/s: between two frames it moves by less than counts as motion

    def creeping(stamp: float) -> np.ndarray:
        return rigid(np.eye(3), [0, 0, 0.5 + speed * (stamp - 1000.0)])

    bench.arm.T_base_tool = creeping
    view = bench.take()
    assert view.T_world_camera[2, 3] == pytest.approx(0.5 + speed * (view.stamp - 1000.0), abs=speed * 1e-3)


@pytest.mark.parametrize(
    ("distance", "angle", "words"),
    [
        (6e-4, 0.0, "the arm moved by 0.6 mm and 0.00 degrees between two frames"),
        (0.0, 1.2e-3, "the arm moved by 0.0 mm and 0.07 degrees between two frames"),
        (4e-4, 8e-4, None),
    ],
)
def test_an_arm_that_shifts_or_turns_too_far_between_two_frames_is_refused(
    bench: Bench, distance: float, angle: float, words: str | None
) -> None:
    def moving(stamp: float) -> np.ndarray:
        frames = (stamp - 1000.0) / BETWEEN_FRAMES
        return rigid(Rotation.from_rotvec([angle * frames, 0, 0]).as_matrix(), [0, distance * frames, 0.5])

    bench.arm.T_base_tool = moving
    if words is None:
        bench.take()
    else:
        with pytest.raises(ViewRejected, match=words):
            bench.take()


def test_a_view_keeps_joint_angles_and_the_depth_and_truth_of_its_own_frame(bench: Bench) -> None:
    bench.arm.azimuth = 0.7
    frame_after = bench.camera.frame_after

    def complete(stamp: float, timeout: float) -> Frame:
        frame = frame_after(stamp, timeout)
        number = round(frame.stamp / BETWEEN_FRAMES) % 100
        depth, truth = np.full((96, 128), number, np.float32), np.full((96, 128), number, np.uint8)
        return dataclasses.replace(frame, depth=depth, truth=truth)

    bench.camera.frame_after = complete
    view = bench.take()
    number = round(view.stamp / BETWEEN_FRAMES) % 100
    assert np.all(view.depth == number) and np.all(view.truth == number)
    np.testing.assert_array_equal(view.joint_positions, [0.7])


def test_a_view_of_an_arm_without_joint_angles_has_none(bench: Bench) -> None:
    bench.arm.joints = lambda: None
    assert bench.take().joint_positions is None
