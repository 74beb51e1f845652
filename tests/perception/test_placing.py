"""Depth that finds its image, rays that are collected over views, and places in the camera's frame."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from datasets.camera import look_at, pinhole, project
from perception.placing import DEPTH_TOLERANCE, Depth, Lens, Placer
from perception.segmentation import ObjectSegment, Region, Segmentation
from perception.stamped import KEPT, Stamped
from perception.view_rays import ViewRays

HEIGHT, WIDTH = 120, 160
K = pinhole(HEIGHT, WIDTH, np.deg2rad(42))
SEEN = Region((WIDTH - HEIGHT) // 2, 0, HEIGHT, HEIGHT)
LENS = Lens(K, np.zeros(5), (HEIGHT, WIDTH))


def test_the_value_of_the_nearest_stamp_is_given() -> None:
    values: Stamped[str] = Stamped()
    for stamp in (1.0, 1.1, 1.2):
        values.put(stamp, f"at {stamp}")
    assert values.near(1.11, tolerance=0.02, timeout=0) == "at 1.1"
    assert values.near(1.15, tolerance=0.02, timeout=0) is None


def test_a_value_that_is_late_is_waited_for() -> None:
    values: Stamped[str] = Stamped()
    values.put(1.0, "old")
    threading.Timer(0.1, values.put, (2.0, "new")).start()
    assert values.near(2.0, tolerance=0.02, timeout=5) == "new"


def test_where_nothing_ever_came_nothing_is_waited_for() -> None:
    started = time.monotonic()
    assert Stamped().near(2.0, tolerance=0.02, timeout=5) is None
    assert time.monotonic() - started < 1


def test_old_values_are_let_go() -> None:
    values: Stamped[int] = Stamped()
    for stamp in range(KEPT + 5):
        values.put(float(stamp), stamp)
    assert values.near(4.0, 0.1, 0) is None and values.near(5.0, 0.1, 0) == 5


def poses(count: int) -> list[np.ndarray]:
    """Around the origin, half a metre away."""
    turns = np.linspace(0, 1.5, count)
    return [look_at(np.array([0.4 * np.cos(t), 0.4 * np.sin(t), 0.35]), np.zeros(3)) for t in turns]


def seen(points: dict[int, np.ndarray], pose: np.ndarray) -> Segmentation:
    """A segmentation of small objects at points of the world."""
    labels, objects = np.zeros((HEIGHT, WIDTH), np.int32), []
    for id_, point in points.items():
        x, y = project(point[None], pose, K)[0]
        objects.append(ObjectSegment(id_, (int(x) - 3, int(y) - 3, 7, 7), 49, (x, y), 1.0, np.ones(4, np.float32), 1))
    return Segmentation(labels, objects, 0, SEEN)


POINTS = {1: np.array([0.05, 0.02, 0.02]), 4: np.array([-0.03, 0.06, 0.03])}


def test_objects_are_placed_once_they_are_seen_from_three_sides() -> None:
    placer = Placer()
    placer.lens = LENS
    for number, pose in enumerate(poses(4), start=1):
        found = placer.place(seen(POINTS, pose), 0.1 * number, pose).positions
        if number < 3:
            assert not found
            continue
        for id_, point in POINTS.items():
            np.testing.assert_allclose(pose[:3, :3] @ found[id_] + pose[:3, 3], point, atol=1e-6)


def test_a_camera_that_stands_still_tells_no_place() -> None:
    placer = Placer()
    placer.lens = LENS
    pose = poses(1)[0]
    assert not any(placer.place(seen(POINTS, pose), t, pose).positions for t in range(20))


def test_an_object_that_was_moved_is_placed_anew() -> None:
    rays = ViewRays()
    views = poses(12)
    for number, pose in enumerate(views):
        point = POINTS[1] if number < 6 else POINTS[1] + [0.1, -0.08, 0]
        rays.see({1: (point - pose[:3, 3]) @ pose[:3, :3]}, pose)
    np.testing.assert_allclose(rays.positions[1], POINTS[1] + [0.1, -0.08, 0], atol=1e-6)


@pytest.mark.parametrize(
    "box",
    [
        (SEEN.x, 50, 7, 7),
        (60, SEEN.y, 7, 7),
        (SEEN.x + SEEN.width - 7, 50, 7, 7),
        (60, SEEN.y + SEEN.height - 7, 7, 7),
    ],
)
def test_an_object_at_a_border_of_what_the_model_saw_is_not_measured(box: tuple[int, int, int, int]) -> None:
    """Its centre is not known, whether or not the rays towards it meet."""
    placer = Placer()
    placer.lens = LENS
    for number, pose in enumerate(poses(5)):
        segmentation = seen(POINTS, pose)
        first, second = segmentation.objects
        found = placer.place(replace(segmentation, objects=[replace(first, box=box), second]), number, pose)
    assert set(found.positions) == {4}


ABOVE = look_at(np.array([0.0, 0.0, 0.5]), np.zeros(3))  # straight down


def box_from_above() -> tuple[Segmentation, np.ndarray]:
    """A box of 5 cm as a camera half a metre above the table sees it, and its depth."""
    labels = np.zeros((HEIGHT, WIDTH), np.int32)
    labels[50:70, 70:95] = 1
    segment = ObjectSegment(1, (70, 50, 25, 20), 500, (82, 59.5), 1.0, np.ones(4, np.float32), 1)
    depth = np.where(labels == 1, 0.45, 0.5).astype(np.float32)
    return Segmentation(labels, [segment], 0, SEEN), depth


def with_depth(depth: np.ndarray, *stamps: float, frame: str = "") -> Placer:
    placer = Placer()
    placer.lens = LENS
    for stamp in stamps:
        placer.depth.put(stamp, Depth(frame, lambda: depth))
    return placer


def test_depth_goes_before_views_and_is_that_of_the_images_stamp() -> None:
    segmentation, depth = box_from_above()
    placer = with_depth(depth, 1.0)
    found = placer.place(segmentation, 1.0 + DEPTH_TOLERANCE / 2, ABOVE)
    assert found.boxes[1].T_camera_box[2, 3] == pytest.approx(0.475, abs=0.001) and not found.positions
    assert not found.depth_problem
    assert not placer.place(segmentation, 0.9, ABOVE).boxes


@pytest.mark.parametrize(
    ("stamps", "told"),
    [
        ((0.933, 1.033), "depth is stamped +33 ms from the image: let the driver synchronise (enable_sync)"),
        ((0.967, 1.067), "depth is stamped -33 ms from the image"),
        ((0.5, 0.8), "the newest depth is stamped 200 ms before the image, which waited 100 ms for it"),
        ((), ""),
    ],
)
def test_depth_that_belongs_to_no_image_is_told_by_how_much(stamps: tuple[float, ...], told: str) -> None:
    segmentation, depth = box_from_above()
    found = with_depth(depth, *stamps).place(segmentation, 1.0, None)
    assert not found.boxes
    assert found.depth_problem.startswith(told) and bool(found.depth_problem) == bool(told)


def test_depth_without_a_table_is_told() -> None:
    segmentation, depth = box_from_above()
    found = with_depth(np.zeros_like(depth), 1.0).place(segmentation, 1.0, None)
    assert not found.boxes and "no table plane in the depth" in found.depth_problem


def test_depth_of_another_frame_than_the_images_is_refused() -> None:
    segmentation, depth = box_from_above()
    placer = with_depth(depth, 1.0, frame="camera_depth_optical_frame")
    with pytest.raises(ValueError, match="depth is in the frame camera_depth_optical_frame, the image in camera_color"):
        placer.place(segmentation, 1.0, None, "camera_color_optical_frame")


@pytest.mark.parametrize(("frame", "images"), [("", "eye"), ("eye", ""), ("", ""), ("/eye", "eye"), ("eye", "eye")])
def test_depth_of_the_images_frame_or_of_none_is_taken(frame: str, images: str) -> None:
    segmentation, depth = box_from_above()
    assert with_depth(depth, 1.0, frame=frame).place(segmentation, 1.0, None, images).boxes


def test_without_a_lens_nothing_is_placed() -> None:
    placer = Placer()
    for number, pose in enumerate(poses(5)):
        found = placer.place(seen(POINTS, pose), number, pose)
        assert not found.boxes and not found.positions


def test_a_lens_of_another_size_is_told() -> None:
    placer = Placer()
    placer.lens = Lens(K, np.zeros(5), (480, 640))
    with pytest.raises(ValueError, match="camera_info is of 640 x 480 pixels, the image of 160 x 120"):
        placer.place(seen(POINTS, poses(1)[0]), 0.0, None)
