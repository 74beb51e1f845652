"""Places of objects from depth and from rays, against what is true of rendered scenes and of drawn geometry."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from datasets.camera import look_at, pinhole
from datasets.scene import Scene
from datasets.synthesis.table_cubes import TableRenderer, make_scene
from datasets.table_plane import pixel_rays
from perception.geometry import NoTable, place_objects

K = pinhole(480, 640, np.deg2rad(42))


@pytest.fixture(scope="module")
def scenes() -> Iterator[list[Scene]]:
    with TableRenderer(480) as renderer:
        yield [make_scene(renderer, seed=33, index=index, views=3) for index in range(4)]


def test_cubes_are_placed_within_5_mm_by_noisy_depth(scenes: list[Scene]) -> None:
    rng = np.random.default_rng(0)
    seen = 0
    for scene in scenes:
        for view, pose in enumerate(scene.T_world_camera):
            depth = scene.depth[view] + rng.normal(0, 0.001, scene.depth[view].shape).astype(np.float32)
            placed = place_objects(scene.masks[view].astype(np.int32), depth, scene.K[view])
            for i, cube in enumerate(scene.objects):
                if (scene.masks[view] == i + 1).sum() < 400:
                    continue
                box = placed[i + 1]
                centre = (pose @ box.T_camera_box)[:3, 3]
                assert np.linalg.norm(centre - cube["position"]) < 0.005
                np.testing.assert_allclose(box.size, cube["size"], atol=0.006)
                upright = (pose @ box.T_camera_box)[:3, 2]
                np.testing.assert_allclose(upright, [0, 0, 1], atol=0.03)
                assert np.linalg.det(box.T_camera_box[:3, :3]) == pytest.approx(1)
                heights = (box.points @ pose[:3, :3].T + pose[:3, 3])[:, 2]
                assert 0 < heights.min() and heights.max() < cube["size"] + 0.006
                seen += 1
    assert seen > 20


def test_the_box_is_turned_as_the_object_is() -> None:
    """A block of 10 x 4 x 6 cm, drawn by casting the rays of a camera that looks down obliquely."""
    size, turn = np.array([0.10, 0.04, 0.06]), 0.5
    pose = look_at(np.array([0.3, -0.35, 0.45]), np.zeros(3), roll=0.8)
    labels, depth = _cast_block(size, turn, pose)
    box = place_objects(labels, depth, K)[1]
    T_world_box = pose @ box.T_camera_box
    np.testing.assert_allclose(box.size, size, atol=0.003)
    np.testing.assert_allclose(T_world_box[:3, 3], [0, 0, 0.03], atol=0.003)
    yaw = Rotation.from_matrix(T_world_box[:3, :3]).as_euler("zyx")[0]
    assert np.sin(yaw - turn) == pytest.approx(0, abs=0.03)  # it has no front


def _cast_block(size: np.ndarray, turn: float, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels and depth [480,640] of a block on the plane z = 0, by the slab test."""
    pixels = np.stack(np.meshgrid(np.arange(640), np.arange(480)), -1).reshape(-1, 2)
    rays, origin = pixel_rays(pixels, K) @ pose[:3, :3].T, pose[:3, 3]
    floor = -origin[2] / rays[:, 2]
    across = Rotation.from_euler("z", -turn).as_matrix()
    local_origin, local_rays = across @ (origin - [0, 0, size[2] / 2]), rays @ across.T
    bounds = np.stack([(sign * size / 2 - local_origin) / local_rays for sign in (-1, 1)])
    near, far = bounds.min(0).max(1), bounds.max(0).min(1)
    hit = near < far
    shape = 480, 640
    return hit.reshape(shape).astype(np.int32), np.where(hit, near, floor).reshape(shape).astype(np.float32)


def test_flying_pixels_and_a_mask_that_bleeds_do_no_harm(scenes: list[Scene]) -> None:
    scene, rng = scenes[0], np.random.default_rng(0)
    labels = scene.masks[0].astype(np.int32)
    grown = cv2.dilate((labels == 1).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    labels[grown & (labels == 0)] = 1
    depth = scene.depth[0].copy()
    flying = (labels == 1) & (rng.random(labels.shape) < 0.02)
    depth[flying] *= 0.7
    depth[rng.random(labels.shape) < 0.1] = 0
    centre = (scene.T_world_camera[0] @ place_objects(labels, depth, scene.K[0])[1].T_camera_box)[:3, 3]
    assert np.linalg.norm(centre - scene.objects[0]["position"]) < 0.005


def test_objects_without_depth_have_no_place(scenes: list[Scene]) -> None:
    scene = scenes[0]
    labels, depth = scene.masks[0].astype(np.int32), scene.depth[0].copy()
    depth[labels == 1] = 0
    assert set(place_objects(labels, depth, scene.K[0])) == set(np.unique(labels)) - {0, 1}
    with pytest.raises(NoTable, match="no table plane in the depth: no plane holds 40%"):
        place_objects(labels, np.zeros_like(depth), scene.K[0])
    assert place_objects(np.zeros_like(labels), np.zeros_like(depth), scene.K[0]) == {}


def test_depth_of_another_size_is_refused() -> None:
    with pytest.raises(
        ValueError, match="depth of 32 x 24 pixels does not fit labels of 640 x 480: it must be aligned"
    ):
        place_objects(np.zeros((480, 640), np.int32), np.zeros((24, 32), np.float32), K)
