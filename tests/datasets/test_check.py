from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from drawn import SIZE, SPHERES, VIEWS, draw_scene

from datasets.check import check_dataset
from datasets.loading import open_dataset
from datasets.recorded import write_scene


def test_sound_dataset(official):
    done = []
    findings = check_dataset(open_dataset(official()), done.append)
    assert findings.problems == [] and findings.verdict.startswith("sound")
    assert sum(done) == findings.scenes == 3
    assert findings.views == {VIEWS: 3} and findings.image_sizes == {(SIZE, SIZE): 3}
    assert findings.objects == {len(SPHERES): 3}
    assert findings.identity_agrees == findings.identity_views == 3 * VIEWS
    assert np.max(findings.centre_errors) < 0.5


def test_counts_visible_pixels_and_hidden_objects(official):
    findings = check_dataset(open_dataset(official(), "test"))
    visible = [(m[..., 0] == rank).sum() for m in draw_scene(2)[0]["masks"] for rank in (1, 2, 3)]
    assert sorted(findings.visible_pixels) == sorted(v for v in visible if v)
    assert findings.hidden == visible.count(0) > 0


def test_goes_on_after_a_bad_scene_and_names_all_of_them(official):
    root = official()
    (root / "data" / "CLEVR_new_000000.npy").write_bytes(b"PK\x03\x04")
    (root / "data" / "CLEVR_new_000002.npy").unlink()
    findings = check_dataset(open_dataset(root))
    assert findings.scenes == 1
    assert [("000000" in p, "000002" in p) for p in findings.problems] == [(True, False), (False, True)]
    assert findings.verdict.startswith("not sound: 2 problems")


def test_depth_order_taken_for_identity_is_found(official):
    wrong = official(entry=lambda e: {**e, "depth_orders": [[0, 1, 2]] * VIEWS})
    problems = check_dataset(open_dataset(wrong)).problems
    assert any("ids are mixed up" in problem for problem in problems)


def check_one(tmp_path, scene):
    write_scene(tmp_path / "set" / f"{scene.name}.h5", scene)
    return check_dataset(open_dataset(tmp_path / "set"))


def test_two_ids_exchanged_in_one_view_are_found_without_silhouettes(tmp_path, drawn_scene):
    masks = drawn_scene.masks.copy()
    masks[3] = np.array([0, 2, 1, 3], np.uint8)[masks[3]]
    findings = check_one(tmp_path, dataclasses.replace(drawn_scene, masks=masks, amodal_masks=None))
    assert len(findings.problems) == 1 and "other objects' places in views 3" in findings.problems[0]
    assert findings.identity_agrees == VIEWS - 1


def test_wrong_poses_are_found(tmp_path, drawn_scene):
    rolled = drawn_scene.T_world_camera[[1, 2, 3, 0]]
    findings = check_one(tmp_path, dataclasses.replace(drawn_scene, T_world_camera=rolled))
    assert any("poses, intrinsics or positions are wrong" in problem for problem in findings.problems)


def test_pose_that_is_no_rigid_motion_is_found(tmp_path, drawn_scene):
    poses = drawn_scene.T_world_camera.copy()
    poses[2, :3, 0] *= -1
    findings = check_one(tmp_path, dataclasses.replace(drawn_scene, T_world_camera=poses))
    assert any("no rigid camera pose in views 2" in problem for problem in findings.problems)


def test_blank_and_frozen_images_are_found(tmp_path, drawn_scene):
    images = drawn_scene.images.copy()
    images[1] = 7
    images[3] = images[2]
    problems = check_one(tmp_path, dataclasses.replace(drawn_scene, images=images)).problems
    assert any("blank images in views 1" in problem for problem in problems)
    assert any("3 (as scene_000007 view 2)" in problem for problem in problems)


def test_a_scene_stored_twice_is_found(tmp_path, drawn_scene):
    check_one(tmp_path, drawn_scene)
    problems = check_one(tmp_path, dataclasses.replace(drawn_scene, name="scene_000008")).problems
    assert len(problems) == 1 and problems[0].startswith("scene_000008: repeats")


def test_id_without_an_object_is_found(tmp_path, drawn_scene):
    masks = drawn_scene.masks.copy()
    masks[0, 0, 0] = 9
    problems = check_one(tmp_path, dataclasses.replace(drawn_scene, masks=masks)).problems
    assert any("masks hold id 9, the scene has 3 objects" in problem for problem in problems)


@pytest.mark.parametrize("missing", ["masks", "T_world_camera", "K", "objects"])
def test_what_is_not_known_is_not_checked(tmp_path, drawn_scene, missing):
    empty = [] if missing == "objects" else None
    findings = check_one(tmp_path, dataclasses.replace(drawn_scene, amodal_masks=None, **{missing: empty}))
    assert findings.problems == [] and findings.centre_errors == []
