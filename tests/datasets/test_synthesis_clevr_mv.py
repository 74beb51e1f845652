"""The clevr_mv and dolphin synthesisers: what they render, what they write, and who can read it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from datasets.camera import motion_between, project
from datasets.check import check_dataset
from datasets.loading import open_dataset
from datasets.scene import DatasetError, Scene
from datasets.synthesis import SYNTHESISERS
from datasets.synthesis.clevr_mv import ClevrRenderer, arc_poses, circle_poses, make_scene
from datasets.synthesis.clevr_objects import random_objects
from datasets.synthesis.synthesiser import Settings

KINDS = ("clevr_mv", "dolphin")
VIEWS = 3


@pytest.fixture(scope="module", params=KINDS)
def renderer(request: pytest.FixtureRequest) -> Iterator[ClevrRenderer]:
    with SYNTHESISERS[request.param].renderers["mujoco"](64) as opened:
        yield opened


@pytest.fixture(scope="module")
def scenes(renderer: ClevrRenderer) -> list[Scene]:
    return [make_scene(renderer, seed=4, index=index, views=VIEWS) for index in range(4)]


def synthesise(
    out: Path, scenes: int = 2, seed: int = 5, workers: int = 1, layout: str = "clevr", kind: str = "clevr_mv"
) -> Path:
    SYNTHESISERS[kind].write(out, scenes, Settings(VIEWS, seed, 32, layout), workers)
    return out


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthesise(tmp_path_factory.mktemp("written") / "ours")


def test_scenes_hold_two_to_five_objects_that_do_not_touch(renderer: ClevrRenderer) -> None:
    rng = np.random.default_rng(0)
    counts = set()
    for _ in range(40):
        objects = random_objects(rng, renderer.family)
        counts.add(len(objects))
        for i, a in enumerate(objects):
            assert a.shape in renderer.family.shapes and np.abs(a.position[:2]).max() <= 3
            for b in objects[:i]:
                radii = [renderer.family.sizes[each.size] for each in (a, b)]
                assert np.linalg.norm(a.position[:2] - b.position[:2]) > sum(radii)
    assert counts == {2, 3, 4, 5}


def test_every_object_shows_48_pixels_in_the_first_view(scenes: list[Scene]) -> None:
    for scene in scenes:
        assert np.bincount(scene.masks[0].ravel())[1:].min() >= 48


def test_visible_parts_lie_in_silhouettes_and_silhouettes_are_filled(scenes: list[Scene]) -> None:
    for scene in scenes:
        ids = np.arange(1, scene.num_objects + 1)[None, :, None, None]
        visible = scene.masks[:, None] == ids
        assert not (visible & ~scene.amodal_masks).any()
        np.testing.assert_array_equal(scene.masks > 0, scene.amodal_masks.any(axis=1))


def test_what_is_visible_is_nearer_than_what_it_hides(renderer: ClevrRenderer, scenes: list[Scene]) -> None:
    hidden = 0
    for scene in scenes:
        for view, pose in enumerate(scene.T_world_camera):
            for i, each in enumerate(scene.objects):
                covered = scene.amodal_masks[view, i] & (scene.masks[view] != i + 1)
                hidden += covered.sum()
                far = np.linalg.norm(pose[:3, 3] - each["position"]) + 2 * renderer.family.sizes[each["size"]]
                assert (scene.depth[view][covered] < far).all()
    assert hidden > 20


def test_spheres_are_seen_where_geometry_puts_them(renderer: ClevrRenderer, scenes: list[Scene]) -> None:
    """A pixel shows a sphere if its ray passes the centre by less than the radius."""
    rows, columns = np.mgrid[:64, :64]
    seen = 0
    for scene in scenes:
        rays = np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ np.linalg.inv(scene.K[0]).T
        rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
        for view, pose in enumerate(scene.T_world_camera):
            for i, each in enumerate(scene.objects):
                if each["shape"] != "sphere":
                    continue
                centre = pose[:3, :3].T @ (np.array(each["position"]) - pose[:3, 3])
                missed = np.linalg.norm(np.cross(rays, centre), axis=-1)
                expected, found = missed < renderer.family.sizes[each["size"]], scene.amodal_masks[view, i]
                assert (expected ^ found).sum() <= 0.06 * expected.sum()
                seen += 1
    assert seen >= VIEWS


def test_cameras_stand_where_the_official_ones_do(scenes: list[Scene]) -> None:
    official = [
        [7.4811301, -6.5076399, 3.5075679],
        [9.8774562, -0.8674933, 3.5075679],
        [8.5009297, 5.1040062, 3.5075679],
    ]
    np.testing.assert_allclose(circle_poses(10)[:3, :3, 3], official, atol=1e-5)
    for scene in scenes:
        np.testing.assert_array_equal(scene.T_world_camera, circle_poses(VIEWS))
        np.testing.assert_allclose(project(np.zeros((1, 3)), scene.T_world_camera[1], scene.K[1]), [[31.5, 31.5]])


def test_near_cameras_stand_on_an_arc_around_the_first_official_one() -> None:
    poses = [arc_poses(np.random.default_rng(seed), 10) for seed in range(400)]
    heights, radii = ([f(each[:, :3, 3]) for each in poses] for f in (lambda p: p[:, 2], lambda p: np.hypot(*p.T[:2])))
    np.testing.assert_allclose(heights, circle_poses(1)[0, 2, 3])
    np.testing.assert_allclose(radii, np.hypot(*circle_poses(1)[0, :2, 3]))
    turns = np.array([max(motion_between(circle_poses(1)[0], pose)[1] for pose in each) for each in poses])
    assert np.quantile(turns, 0.1) < 0.5 and np.quantile(turns, 0.9) > 2.3  # radians, of pi at most


def test_objects_show_their_colour(scenes: list[Scene]) -> None:
    strongest = {"red": 0, "green": 1, "blue": 2}
    shown = 0
    for scene in scenes:
        for i, each in enumerate(scene.objects):
            if each["color"] in strongest:
                assert scene.images[scene.masks == i + 1].mean(0).argmax() == strongest[each["color"]]
                shown += 1
    assert shown


def test_the_loader_reads_back_what_was_rendered(written: Path) -> None:
    with SYNTHESISERS["clevr_mv"].renderers["mujoco"](32) as renderer:
        made = [make_scene(renderer, seed=5, index=index, views=VIEWS) for index in range(2)]
    for ours, read in zip(made, open_dataset(written), strict=True):
        assert read.name == ours.name
        for name in ("images", "masks", "amodal_masks"):
            np.testing.assert_array_equal(getattr(read, name), getattr(ours, name))
        np.testing.assert_allclose(read.T_world_camera, ours.T_world_camera, atol=1e-9)
        np.testing.assert_allclose(read.K, ours.K)
        for theirs, known in zip(read.objects, ours.objects, strict=True):
            pixels = np.array(theirs.pop("pixel_coords"))
            assert theirs == known
            for view in range(VIEWS):
                expected = project(np.array([known["position"]]), ours.T_world_camera[view], ours.K[view])[0]
                np.testing.assert_allclose(pixels[view, :2], expected)


def test_files_say_what_mulmon_expects_of_them(written: Path) -> None:
    """Read as the layout is described (design.md, section 2), without our loader."""
    index = json.loads((written / "ours_train.json").read_text())
    assert index["num_views"] == VIEWS and isinstance(index["info"], str)
    for entry in index["scenes"]:
        with np.load(written.parent / entry["data_path"], allow_pickle=False) as arrays:
            images, masks = arrays["images"], arrays["masks"]
        assert images.dtype == masks.dtype == np.uint8 and masks.shape == (*images.shape[:3], 1 + len(entry["objects"]))
        assert {each["shape"] for each in entry["objects"]} <= set(index["shape_gallery"])
        for view, order in enumerate(entry["depth_orders"]):
            position = np.array(entry["camera"]["location"][view])
            depths = [-np.dot(np.array(each["3d_coords"]) - position, position) for each in entry["objects"]]
            assert order == np.argsort(depths).tolist()
            for rank, i in enumerate(order):
                visible = masks[view, ..., 0] == rank + 1
                assert not (visible & (masks[view, ..., 1 + i] == 0)).any()


def test_same_seed_gives_same_scenes_whatever_the_workers(written: Path, tmp_path: Path) -> None:
    again = synthesise(tmp_path / "ours", workers=2)
    names = sorted(path.relative_to(written) for path in written.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    for name in names:
        assert (written / name).read_bytes() == (again / name).read_bytes()


def test_another_seed_gives_other_scenes(renderer: ClevrRenderer, scenes: list[Scene]) -> None:
    assert make_scene(renderer, seed=5, index=0, views=1).objects != scenes[0].objects


def test_interrupted_synthesis_goes_on(written: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(written, tmp_path / "ours"))
    files = [out / "data" / f"CLEVR_new_{i:06d}.npy" for i in range(2)]
    expected = files[1].read_bytes()
    (out / "ours_train.json").unlink()
    files[1].unlink()
    kept = files[0].stat().st_mtime_ns
    synthesise(out)
    assert files[0].stat().st_mtime_ns == kept and files[1].read_bytes() == expected
    assert open_dataset(out).splits == {"train": 1, "test": 1}


@pytest.mark.parametrize("other", [{"layout": "h5"}, {"kind": "dolphin"}, {"seed": 6}], ids=str)
def test_scenes_of_other_settings_are_not_mixed_in(written: Path, other: dict) -> None:
    with pytest.raises(DatasetError, match="choose another folder"):
        synthesise(written, **other)


@pytest.mark.parametrize("kind", KINDS)
def test_hdf5_scenes_have_depth_and_pass_the_check(tmp_path: Path, kind: str) -> None:
    dataset = open_dataset(synthesise(tmp_path / kind, layout="h5", kind=kind))
    assert dataset.kind == kind and dataset[0].depth is not None and dataset[0].amodal_masks is not None
    assert check_dataset(dataset).problems == []
