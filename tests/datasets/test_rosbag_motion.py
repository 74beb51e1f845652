"""How a bag's camera moves: its pose between two transforms of tf, and when it is still."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import bags
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from datasets.camera import rigid
from datasets.loading import open_dataset
from datasets.rosbag.convert import Names, convert_bag
from datasets.rosbag.selection import Rules, select_views

FIRST = Rotation.from_rotvec([0.4, -0.3, 0.8])
TURN = np.array([0.9, 0.5, -0.7])  # radians, from the first transform to the second
START, WAY = np.array([0.3, -0.2, 0.5]), np.array([0.4, 0.1, -0.2])


def test_an_image_between_two_transforms_is_at_its_share_of_the_way(tmp_path: Path) -> None:
    """0.2 s lie between the transforms, and images at a quarter and at seven tenths of them."""
    ends = {
        1.0: rigid(FIRST.as_matrix(), START),
        1.2: rigid((FIRST * Rotation.from_rotvec(TURN)).as_matrix(), START + WAY),
    }
    shares = np.array([0.25, 0.7])
    records = bags.recording(ends.__getitem__, 1.0 + 0.2 * shares, blank, [*ends], np.eye(4), np.eye(4))
    convert_bag(
        bags.write_bag(tmp_path / "arm.bag", records), tmp_path / "out", Names(world="base_link"), Rules(every=0.05)
    )
    poses = open_dataset(tmp_path / "out")[0].T_world_camera
    for pose, share in zip(poses, shares, strict=True):
        np.testing.assert_allclose(pose[:3, 3], START + share * WAY, atol=1e-6)
        expected = FIRST * Rotation.from_rotvec(share * TURN)  # about one axis, at one speed
        np.testing.assert_allclose(pose[:3, :3], expected.as_matrix(), atol=1e-6)


def blank(number: int) -> np.ndarray:
    return np.full((bags.HEIGHT, bags.WIDTH, 3), number, np.uint8)


def moving(metres: float, degrees: float) -> Callable[[int], np.ndarray]:
    """The pose at a moment in nanoseconds of a camera that moves and turns by so much a second."""

    def pose(moment: int) -> np.ndarray:
        seconds = moment * 1e-9
        turned = Rotation.from_euler("y", degrees * seconds, degrees=True)
        return rigid(turned.as_matrix(), [metres * seconds, 0.0, 0.5])

    return pose


@pytest.mark.parametrize(("metres", "degrees"), [(0.03, 0.0), (0.0, 3.0), (0.03, 0.5), (0.005, 3.0)])
def test_a_camera_that_moves_or_turns_fast_is_not_still(metres: float, degrees: float) -> None:
    stamps = [second * 10**9 for second in range(20)]
    selected = select_views(stamps, [], moving(metres, degrees), Rules())
    assert selected.scenes == [] and selected.left_out == {"the camera moves": 20}


def test_a_camera_that_creeps_is_still_and_gives_a_view_wherever_it_has_come_far_enough() -> None:
    """5 mm and half a degree a second: 3 cm lie behind it after six seconds, before 5 degrees do."""
    stamps = [second * 10**9 for second in range(20)]
    selected = select_views(stamps, [], moving(0.0051, 0.5), Rules())
    assert [stamp // 10**9 for stamp, _ in selected.scenes[0]] == [0, 6, 12, 18]
