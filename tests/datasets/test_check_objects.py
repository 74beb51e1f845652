from __future__ import annotations

import dataclasses

import numpy as np

from datasets.check import check_dataset
from datasets.loading import open_dataset
from datasets.recorded import write_scene
from datasets.synthesis.table_cubes import TableRenderer, make_scene


def check(folder, scene):
    write_scene(folder / "scene_000000.h5", scene)
    return check_dataset(open_dataset(folder))


def test_outlines_of_cubes_fall_on_their_masks_to_a_fraction_of_a_pixel(tmp_path):
    with TableRenderer(160) as renderer:
        scene = make_scene(renderer, seed=3, index=0, views=6)
    findings = check(tmp_path / "sound", scene)
    assert findings.problems == [] and len(findings.centre_errors) > 6
    assert np.median(findings.centre_errors) < 0.2

    moved = [{**o, "position": [o["position"][0] + 0.01, *o["position"][1:]]} for o in scene.objects]
    findings = check(tmp_path / "moved", dataclasses.replace(scene, objects=moved))
    assert "objects' projected positions lie" in findings.problems[0]


def test_positions_are_projected_through_the_lens(tmp_path, drawn_scene):
    """The pictures have no distortion: a strong one in the file puts positions beside their masks."""
    bent = dataclasses.replace(drawn_scene, distortion=np.array([2.5, 0, 0, 0, 0]))
    straight = check(tmp_path / "straight", drawn_scene)
    assert np.median(check(tmp_path / "bent", bent).centre_errors) > 2 * np.median(straight.centre_errors)


def test_one_picture_from_elsewhere_is_found_among_good_ones(tmp_path):
    with TableRenderer(240) as renderer:
        scene = make_scene(renderer, seed=3, index=1, views=8)
    poses = scene.T_world_camera.copy()
    poses[5, :3, 3] += [0.02, 0.0, 0.0]  # 2 cm, as when the arm had not arrived
    (problem,) = check(tmp_path, dataclasses.replace(scene, T_world_camera=poses)).problems
    assert "in views 5; these pictures were taken from elsewhere" in problem
