"""Path-traced pictures of CLEVR's scenes, beside MuJoCo's of the same ones."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, binary_erosion

from datasets.scene import DatasetError, Scene
from datasets.synthesis import SYNTHESISERS
from datasets.synthesis.clevr_mv import FIELD_OF_VIEW, circle_poses, make_scene
from datasets.synthesis.clevr_objects import ClevrObject
from datasets.synthesis.path_tracing import PathTracer, srgb
from datasets.synthesis.synthesiser import Settings

VIEWS = 2


@pytest.fixture(scope="module", params=["clevr_mv", "dolphin"])
def pairs(request: pytest.FixtureRequest) -> Iterator[list[tuple[Scene, Scene]]]:
    """The same scenes by MuJoCo and traced."""
    renderers = SYNTHESISERS[request.param].renderers
    with renderers["mujoco"](64) as plain, renderers["mitsuba"](64) as traced:
        yield [tuple(make_scene(each, 4, index, VIEWS) for each in (plain, traced)) for index in range(3)]


def test_both_show_the_same_objects_from_the_same_places(pairs: list[tuple[Scene, Scene]]) -> None:
    for plain, traced in pairs:
        assert plain.objects == traced.objects
        for name in ("masks", "amodal_masks", "depth", "T_world_camera", "K"):
            np.testing.assert_array_equal(getattr(plain, name), getattr(traced, name))


def test_pictures_look_alike_but_are_not_the_same(pairs: list[tuple[Scene, Scene]]) -> None:
    for plain, traced in pairs:
        difference = np.abs(plain.images.astype(float) - traced.images)
        assert 0.5 < np.median(difference) < 12
        for i in range(plain.num_objects):
            shown = plain.masks == i + 1
            a, b = (each.images[shown].mean(0) for each in (plain, traced))
            assert np.abs(a - b).max() < 45, plain.object_name(i)


@pytest.mark.parametrize("kind", ["clevr_mv", "dolphin"])
def test_every_shape_is_traced_where_its_silhouette_is(kind: str) -> None:
    """A red object on grey: all within its silhouette is red, and nothing above it."""
    renderers = SYNTHESISERS[kind].renderers
    poses = circle_poses(2)
    with renderers["mujoco"](64) as plain:
        family = plain.family
        tracer = PathTracer(family, 64, FIELD_OF_VIEW)
        for shape in family.shapes:
            one = ClevrObject(shape, "large", "rubber", "red", np.array([0.8, -0.5, family.sizes["large"]]), 0.7)
            silhouettes = plain.render("one", [one], poses, np.random.default_rng(0)).masks == 1
            tracer.arrange([one])
            for pose, silhouette in zip(poses, silhouettes, strict=True):
                picture = tracer.colour(pose, seed=1)
                red = picture[..., 0] - picture[..., 1] > 15
                assert red[binary_erosion(silhouette)].mean() > 0.98, shape
                above = ~binary_dilation(silhouette, iterations=2)
                above[np.nonzero(silhouette)[0].min() + 3 :] = False
                assert not red[above].any(), shape


def test_one_seed_makes_one_picture() -> None:
    with SYNTHESISERS["clevr_mv"].renderers["mitsuba"](32) as renderer:
        first, other, again = (make_scene(renderer, seed, 0, 1).images for seed in (5, 6, 5))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_intensities_follow_the_srgb_curve() -> None:
    """Values of the standard's table; and it is continuous where its two branches meet."""
    np.testing.assert_allclose(srgb(np.array([-1, 0, 0.18, 0.5, 1, 2])), [0, 0, 0.4614, 0.7354, 1, 1], atol=1e-4)
    np.testing.assert_allclose(*srgb(np.array([[0.0031307], [0.0031309]])), atol=1e-5)


def test_a_dataset_is_traced_and_not_mixed_with_another_renderers(tmp_path: Path) -> None:
    def write(renderer: str) -> None:
        SYNTHESISERS["clevr_mv"].write(tmp_path / "ours", 1, Settings(1, 5, 32, "h5", renderer), workers=1)

    write("mitsuba")
    assert (tmp_path / "ours/scene_000000.h5").exists()
    with pytest.raises(DatasetError, match="mitsuba.*choose another folder"):
        write("mujoco")


def test_without_mitsuba_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mitsuba", None)
    with pytest.raises(DatasetError, match="pip install mitsuba"):
        SYNTHESISERS["clevr_mv"].write(tmp_path / "ours", 1, Settings(1, 5, 32, "h5", "mitsuba"), workers=1)
