"""Points that rays of several views meet in."""

from __future__ import annotations

import numpy as np
import pytest

from datasets.synthesis.table_cubes import TableRenderer, make_scene
from datasets.table_plane import pixel_rays
from perception.view_rays import triangulate


def test_rays_meet_where_they_were_aimed() -> None:
    rng = np.random.default_rng(0)
    aim = np.array([0.1, -0.2, 0.03])
    origins = rng.uniform(-1, 1, (5, 3)) + [0, 0, 1.5]
    exact = triangulate(origins, aim - origins)
    np.testing.assert_allclose(exact.position, aim, atol=1e-9)
    assert exact.residual == pytest.approx(0, abs=1e-9)
    noisy = triangulate(origins, aim - origins + rng.normal(0, 0.002, (5, 3)))
    assert np.linalg.norm(noisy.position - aim) < 0.005 and 1e-4 < noisy.residual < 0.005


def test_parallel_rays_tell_no_place() -> None:
    origins = np.array([[0, 0, 0], [0.01, 0, 0], [0, 0.01, 0]])
    assert triangulate(origins, np.tile([0.0, 0.0, 1.0], (3, 1))) is None


def test_centres_of_masks_of_five_views_place_cubes_within_10_mm() -> None:
    with TableRenderer(480) as renderer:
        scene = make_scene(renderer, seed=34, index=0, views=5)
    placed = 0
    for i, cube in enumerate(scene.objects):
        origins, directions = [], []
        for pose, mask, lens in zip(scene.T_world_camera, scene.masks, scene.K, strict=True):
            rows, columns = np.nonzero(mask == i + 1)
            if len(rows) > 400:
                origins.append(pose[:3, 3])
                directions.append(pose[:3, :3] @ pixel_rays([[columns.mean(), rows.mean()]], lens)[0])
        if len(origins) == 5:
            found = triangulate(np.array(origins), np.array(directions))
            assert np.linalg.norm(found.position - cube["position"]) < 0.01
            placed += 1
    assert placed >= 2
