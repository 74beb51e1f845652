"""Places through a lens of strong barrel distortion. What it shows is drawn by OpenCV's projection of 3-D points."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from datasets.camera import look_at, pinhole
from perception.placing import Depth, Lens, Placer
from perception.segmentation import ObjectSegment, Region, Segmentation

HEIGHT, WIDTH = 480, 640
LENS = Lens(pinhole(HEIGHT, WIDTH, np.deg2rad(70)), np.array([-0.35, 0.12, 0.001, -0.001, 0.0]), (HEIGHT, WIDTH))
SEEN = Region(0, 0, WIDTH, HEIGHT)
EDGE = 0.05
CENTRES = {
    1: np.array([0.26, 0.12, EDGE / 2]),
    2: np.array([-0.22, 0.16, EDGE / 2]),
    3: np.array([0.0, -0.02, EDGE / 2]),
}


def pixels_of(points: np.ndarray, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels [N,2] and depths [N] of points [N,3] of the world."""
    T_camera_world = np.linalg.inv(pose)
    turn, _ = cv2.Rodrigues(T_camera_world[:3, :3])
    pixels, _ = cv2.projectPoints(points, turn, T_camera_world[:3, 3], LENS.K, LENS.distortion)
    return pixels[:, 0], points @ T_camera_world[2, :3] + T_camera_world[2, 3]


def surface(centre: np.ndarray) -> np.ndarray:
    """Points [N,3] of a cube's faces, half a millimetre apart."""
    a, b = (axis.ravel() for axis in np.meshgrid(*2 * [np.linspace(-EDGE / 2, EDGE / 2, 101)]))
    face = np.column_stack([a, b, np.full(len(a), EDGE / 2)])
    return centre + np.concatenate([sign * np.roll(face, turn, axis=1) for sign in (-1, 1) for turn in range(3)])


def drawn(pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels and depth, 0 where no point falls on a pixel, of cubes on a table, the nearest points in front."""
    table = np.stack([*np.meshgrid(*2 * [np.arange(-0.4, 0.4, 0.001)]), np.zeros((800, 800))], -1).reshape(-1, 3)
    parts = [table, *map(surface, CENTRES.values())]
    ids = np.repeat([0, *CENTRES], [len(part) for part in parts])
    pixels, depths = pixels_of(np.concatenate(parts), pose)
    columns, rows = pixels.round().astype(int).T
    inside = (columns >= 0) & (columns < WIDTH) & (rows >= 0) & (rows < HEIGHT)
    far_to_near = np.argsort(-depths[inside])
    labels, depth = np.zeros((HEIGHT, WIDTH), np.int32), np.zeros((HEIGHT, WIDTH), np.float32)
    at = rows[inside][far_to_near], columns[inside][far_to_near]
    labels[at], depth[at] = ids[inside][far_to_near], depths[inside][far_to_near]
    return labels, depth


def segments(pose: np.ndarray) -> list[ObjectSegment]:
    """Small objects at the cubes' centres."""
    pixels, _ = pixels_of(np.array([*CENTRES.values()]), pose)
    return [
        ObjectSegment(id_, (int(x) - 3, int(y) - 3, 7, 7), 49, (float(x), float(y)), 1.0, np.ones(4, np.float32), 1)
        for id_, (x, y) in zip(CENTRES, pixels, strict=True)
    ]


def placer() -> Placer:
    made = Placer()
    made.lens = LENS
    return made


def test_cubes_are_placed_by_depth_as_the_lens_bends_them() -> None:
    pose = look_at(np.array([0.1, -0.3, 0.42]), np.array([0.0, 0.04, 0.0]), roll=0.2)
    labels, depth = drawn(pose)
    placing = placer()
    placing.depth.put(1.0, Depth("", lambda: depth))
    boxes = placing.place(Segmentation(labels, segments(pose), 0, SEEN), 1.0, None).boxes
    assert set(boxes) == set(CENTRES)
    for id_, box in boxes.items():
        np.testing.assert_allclose((pose @ box.T_camera_box)[:3, 3], CENTRES[id_], atol=0.004)
        np.testing.assert_allclose(box.size, EDGE, atol=0.005)


def test_objects_are_placed_by_rays_as_the_lens_bends_them() -> None:
    placing = placer()
    for number, turn in enumerate(np.linspace(0, 1.5, 4)):
        pose = look_at(np.array([0.35 * np.cos(turn), 0.35 * np.sin(turn), 0.4]), np.zeros(3))
        labels = np.zeros((HEIGHT, WIDTH), np.int32)
        found = placing.place(Segmentation(labels, segments(pose), 0, SEEN), 0.1 * number, pose).positions
    assert set(found) == set(CENTRES)
    for id_, position in found.items():
        world = pose[:3, :3] @ position + pose[:3, 3]
        assert np.linalg.norm(world - CENTRES[id_]) == pytest.approx(0, abs=0.001)
