"""Points of a depth image, and the table among them, against drawn geometry."""

from __future__ import annotations

import numpy as np
import pytest

from datasets.camera import pinhole, project
from datasets.table_plane import Plane, find_table, pixel_rays, points_of_pixels

K = pinhole(480, 640, np.deg2rad(42))


def test_rays_pass_through_what_projects_to_their_pixels() -> None:
    distortion = np.array([0.1, -0.05, 0.001, -0.002, 0.01])
    points = np.random.default_rng(0).uniform([-0.3, -0.2, 0.8], [0.3, 0.2, 1.5], (50, 3))
    for lens in (None, distortion):
        rays = pixel_rays(project(points, np.eye(4), K, lens), K, lens)
        np.testing.assert_allclose(rays * points[:, 2:], points, atol=1e-4)


def test_points_are_where_the_depth_image_says() -> None:
    depth = np.zeros((480, 640), np.float32)
    depth[100, 200], depth[300, 50] = 0.5, 2.0
    found = points_of_pixels(np.array([100, 300]), np.array([200, 50]), depth, K)
    np.testing.assert_allclose(project(found, np.eye(4), K), [[200, 100], [50, 300]])
    np.testing.assert_allclose(found[:, 2], [0.5, 2.0])


def test_the_table_is_found_among_what_is_not() -> None:
    rng = np.random.default_rng(1)
    normal = np.array([0.1, -0.6, -0.79])
    normal /= np.linalg.norm(normal)
    across = np.linalg.svd(normal[None])[2][1:]
    flat = rng.uniform(-0.5, 0.5, (3000, 2)) @ across - 0.7 * normal + rng.normal(0, 0.001, (3000, 1)) * normal
    clutter = rng.uniform(-0.5, 0.5, (2000, 3)) + [0, 0, 0.5]
    table = find_table(np.concatenate([flat, clutter]))
    assert np.rad2deg(np.arccos(table.normal @ normal)) < 0.3
    assert table.offset == pytest.approx(-0.7, abs=0.002)


@pytest.mark.parametrize(
    "points", [np.zeros((0, 3)), np.ones((500, 3)), np.random.default_rng(0).uniform(1, 2, (500, 3))]
)
def test_where_there_is_no_table_none_is_found(points: np.ndarray) -> None:
    assert find_table(points) is None


def test_heights_are_above_the_table_towards_the_camera() -> None:
    plane = Plane(np.array([0.0, 0.0, -1.0]), -0.5)
    np.testing.assert_allclose(plane.heights(np.array([[0, 0, 0.5], [1, 2, 0.3]])), [0, 0.2])
