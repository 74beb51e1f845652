"""Camera geometry, against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from datasets.camera import motion_between, pinhole, project


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-4, 1.0, 3.1, np.pi])
def test_motion_between_poses_is_that_of_scipy(angle: float) -> None:
    rng = np.random.default_rng(0)
    a, b = np.eye(4), np.eye(4)
    a[:3, :3], axis = Rotation.random(random_state=rng).as_matrix(), [2 / 3, -1 / 3, 2 / 3]
    b[:3, :3] = a[:3, :3] @ Rotation.from_rotvec(angle * np.array(axis)).as_matrix()
    a[:3, 3], b[:3, 3] = [1, 2, 3], [1, 5, 7]
    distance, turned = motion_between(a, b)
    assert distance == 5.0 and turned == pytest.approx(angle, rel=1e-6, abs=1e-12)


def test_what_a_made_camera_sees_ends_at_the_outer_edges_of_its_pixels() -> None:
    """Rays at half the field of view; the pixels' centres are at whole numbers."""
    half = np.tan(np.deg2rad(30) / 2)
    wide = half * 640 / 480
    edges = np.array([[-wide, -half, 1], [wide, half, 1], [0, 0, 1]])
    found = project(edges, np.eye(4), pinhole(480, 640, np.deg2rad(30)))
    np.testing.assert_allclose(found, [[-0.5, -0.5], [639.5, 479.5], [319.5, 239.5]], atol=1e-9)
