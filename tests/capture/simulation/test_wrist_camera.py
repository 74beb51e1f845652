"""The simulated camera's pictures, masks and depth agree with where things are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from silhouettes import centroid_errors
from urdf_chain import forward

from capture.calibration.board import BOARD
from capture.simulation.arm import read_joint_limits
from capture.simulation.truth import START, T_TOOL_CAMERA, T_WORLD_BASE, T_WORLD_BOARD, URDF, lens
from capture.simulation.wrist_camera import View, WristCamera
from datasets.camera import project
from datasets.synthesis.table import random_cubes

NAMES = read_joint_limits().names
LENS = lens(640, 480)


@pytest.fixture(scope="module")
def camera() -> Iterator[WristCamera]:
    camera = WristCamera(640, 480, noise=0.008)
    yield camera
    camera.close()


def views(count: int, board: bool = False) -> list[View]:
    """The camera somewhere over the table, tilted and turned a little, over other cubes each time."""
    rng = np.random.default_rng(4)
    turns = rng.uniform(-1, 1, (count, 6)) * [0.1, 0.1, 0.15, 0.2, 0.15, 3.0]
    return [View(START + turn, tuple(random_cubes(rng)), board) for turn in turns]


def T_world_camera(view: View) -> np.ndarray:
    return T_WORLD_BASE @ forward(URDF, "tool0", dict(zip(NAMES, view.joints, strict=True))) @ T_TOOL_CAMERA


def test_masks_are_where_the_cubes_project_to(camera: WristCamera) -> None:
    errors = []
    for view in views(15):
        cubes = [cube.description() for cube in view.cubes]
        errors += centroid_errors(camera.truth(view), cubes, T_world_camera(view), LENS.K)
    assert len(errors) > 20 and max(errors) < 0.5  # pixels


def test_masks_number_the_cubes_and_nothing_else(camera: WristCamera) -> None:
    for view in views(5):
        truth = camera.truth(view)
        assert truth.dtype == np.uint8 and truth.shape == (480, 640)
        assert set(np.unique(truth)) <= set(range(len(view.cubes) + 1))


def test_cubes_show_their_colours_on_a_light_table(camera: WristCamera) -> None:
    for view in views(5):
        image, truth = camera.image(view), camera.truth(view)
        assert image.dtype == np.uint8 and image.shape == (480, 640, 3)
        assert image[truth == 0].mean() > 180
        for i, cube in enumerate(view.cubes):
            if (truth == i + 1).sum() > 500:
                shown = image[truth == i + 1].mean(0)
                assert np.corrcoef(shown, cube.rgb)[0, 1] > 0.95


def test_depth_puts_the_table_where_it_is(camera: WristCamera) -> None:
    view = views(1)[0]
    depth, truth = camera.depth(view), camera.truth(view)
    rows, columns = np.nonzero(truth == 0)
    rays = np.linalg.inv(LENS.K) @ np.stack([columns, rows, np.ones_like(rows)])
    pose = T_world_camera(view)
    heights = (pose[:3, :3] @ (rays * depth[rows, columns]) + pose[:3, 3:])[2]
    assert depth.dtype == np.float32 and np.abs(heights).max() < 1e-3  # metres


def test_board_is_found_where_it_lies(camera: WristCamera) -> None:
    errors = []
    for view in views(8, board=True):
        found = BOARD.detect(camera.image(view))
        points = found.object_points @ T_WORLD_BOARD[:3, :3].T + T_WORLD_BOARD[:3, 3]
        errors += list(np.linalg.norm(found.corners - project(points, T_world_camera(view), LENS.K), axis=1))
        assert not camera.truth(view).any()
    assert len(errors) > 80 and np.median(errors) < 0.1 and max(errors) < 0.3  # pixels


def test_pictures_of_one_view_differ_by_their_noise_only(camera: WristCamera) -> None:
    view = views(1)[0]
    first, second = (camera.image(view).astype(float) for _ in range(2))
    noise = (first - second)[50:, 50:] / 2**0.5
    assert 0.7 < noise.std() / (255 * 0.008) < 1.3


def test_gain_brightens_and_blur_softens(camera: WristCamera) -> None:
    view = views(1)[0]
    usual, bright, soft = camera.image(view), camera.image(view, gain=2.5), camera.image(view, blur=4.0)
    assert (bright == 255).mean() > 0.8 > (usual == 255).mean()

    def sharpness(image: np.ndarray) -> float:
        return np.abs(np.diff(image.astype(float), axis=1)).max()

    assert sharpness(soft) < 0.4 * sharpness(usual)


def test_camera_at_rest_shows_new_cubes_at_once(camera: WristCamera) -> None:
    first, second = (View(START, tuple(random_cubes(np.random.default_rng(seed)))) for seed in (1, 2))
    assert camera.truth(first).any() and (camera.truth(first) != camera.truth(second)).any()
    assert not camera.truth(View(START, second.cubes, board=True)).any()
    assert (camera.truth(second) == camera.truth(View(START.copy(), second.cubes))).all()
