from __future__ import annotations

import dataclasses

import numpy as np
from PIL import Image

from datasets.camera import frusta, project
from datasets.loading import open_dataset
from datasets.pose_plot import save_pose_plot
from datasets.recorded import write_scene


def test_draws_scenes_with_poses(official, tmp_path):
    assert save_pose_plot(open_dataset(official()), tmp_path / "poses.png", scenes=2) == 2
    picture = np.asarray(Image.open(tmp_path / "poses.png").convert("RGB"))
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100


def test_scenes_without_poses_are_left_out(tmp_path, drawn_scene):
    write_scene(tmp_path / "set" / "scene_000000.h5", dataclasses.replace(drawn_scene, T_world_camera=None))
    assert save_pose_plot(open_dataset(tmp_path / "set"), tmp_path / "poses.png") == 0
    assert not (tmp_path / "poses.png").exists()


def test_a_frustum_goes_through_the_corners_of_its_picture(drawn_scene):
    height, width = drawn_scene.image_size
    for view, points in enumerate(frusta(drawn_scene)):
        np.testing.assert_allclose(points[0], drawn_scene.T_world_camera[view, :3, 3])
        pixels = project(points[1:], drawn_scene.T_world_camera[view], drawn_scene.K[view])
        expected = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]
        np.testing.assert_allclose(pixels, expected, atol=1e-9)
