from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from colour_scenes import COLOURS, ColourModel, OrbitModel, packed_orbits

from datasets.packing import PackedDataset
from datasets.scene import DatasetError
from lds_models.evaluation import evaluate
from lds_models.explainer import Explainer
from lds_models.measures import METRICS, SCENE_METRICS, VIEW_METRICS
from lds_models.metrics.statistics import bootstrap_mean
from lds_models.model import Rendering
from lds_models.novel_views import choose_observed
from lds_models.registry import build_model


class Misplaced(OrbitModel):
    """Renders viewpoints right only where it was shown what they look like."""

    def render(self, latents: torch.Tensor, viewpoints: torch.Tensor) -> Rendering:
        right = super().render(latents, viewpoints)
        if viewpoints is self.shown[-1][1]:
            return right
        return Rendering(*(values.roll(4, -1) for values in vars(right).values()))


def with_views(packed: PackedDataset, *counts: int) -> PackedDataset:
    """The same views, as if they were of scenes with so many views."""
    edges = np.cumsum([0, *counts])
    return dataclasses.replace(packed, first_view=edges, names=[f"squares_{s:03d}" for s in range(len(counts))])


def test_unseen_views_are_rendered_and_scored_against_the_truth():
    evaluation = evaluate(OrbitModel(), packed_orbits(scenes=4, views=7))
    for name in ("miou", "ari", "fg_ari", "miou_greedy"):
        for over in ("", "_observed", "_unseen"):
            assert evaluation.metrics[name + over].mean == pytest.approx(1)
    assert evaluation.metrics["mse_unseen"].mean == pytest.approx(0, abs=1e-6)
    assert evaluation.warnings == ()


def test_a_model_that_renders_unseen_views_wrong_loses_on_them_alone():
    evaluation = evaluate(Misplaced(), packed_orbits(scenes=4, views=7))
    assert evaluation.metrics["miou_observed"].mean == pytest.approx(1)
    assert evaluation.metrics["mse_observed"].mean == pytest.approx(0, abs=1e-6)
    assert evaluation.metrics["miou_unseen"].mean < 0.7 and evaluation.metrics["mse_unseen"].mean > 1e-3
    assert evaluation.metrics["miou_unseen"].mean < evaluation.metrics["miou"].mean < 1


def test_the_model_is_shown_the_observed_views_with_their_viewpoints_and_nothing_else():
    packed, model = packed_orbits(scenes=3, views=7), OrbitModel()
    explainer = Explainer(model, packed, batch_size=7, observe=4, seed=5)
    for scene, explanation in enumerate(explainer):
        rows = 7 * scene + np.flatnonzero(explanation.observed)
        images, viewpoints = model.shown[-1]
        assert len(rows) == 4 and images.shape == (1, 4, 3, 64, 64)
        shown = (images[0].movedim(1, -1) * 255).round().byte().numpy()
        assert np.array_equal(shown, packed.images[rows])
        assert np.array_equal(viewpoints[0].numpy(), packed.viewpoints["clevr"][rows])


def test_what_unseen_views_show_changes_their_scores_and_nothing_that_the_model_says():
    packed = packed_orbits(scenes=3, views=7)
    hidden = ~choose_observed(packed.first_view, 5, seed=0)
    noisy = packed.images.copy()
    noisy[hidden] = np.random.default_rng(0).integers(0, 256, noisy[hidden].shape)
    before, after = (
        list(Explainer(OrbitModel(), data)) for data in (packed, dataclasses.replace(packed, images=noisy))
    )
    for one, other in zip(before, after, strict=True):
        assert np.array_equal(one.reconstruction, other.reconstruction)
        assert np.array_equal(one.masks, other.masks) and np.array_equal(one.appearances, other.appearances)
    worse = evaluate(OrbitModel(), dataclasses.replace(packed, images=noisy))
    assert (worse.rows["mse"][hidden] > 0.01).all() and worse.rows["mse"][~hidden] == pytest.approx(0, abs=1e-6)


def test_views_come_back_in_their_own_order_whatever_the_memory_allows():
    packed = packed_orbits(scenes=3, views=7)
    for batch_size in (1, 14):
        explanations = list(Explainer(OrbitModel(), packed, batch_size, observe=2, seed=3))
        images, reconstruction = (
            np.concatenate([getattr(e, name) for e in explanations]) for name in ("images", "reconstruction")
        )
        assert np.array_equal((images * 255).round().astype(np.uint8), packed.images)
        assert reconstruction == pytest.approx(images, abs=1e-6)


def test_memory_is_bounded_unseen_views_are_rendered_few_at_a_time():
    class Counting(OrbitModel):
        rendered = 0

        def render(self, latents, viewpoints):
            self.rendered = max(self.rendered, viewpoints.shape[0] * viewpoints.shape[1])
            return super().render(latents, viewpoints)

    for views, batch_size in ((20, 6), (7, 14)):
        model = Counting()
        evaluate(model, packed_orbits(scenes=3, views=views), batch_size=batch_size, observe=2)
        assert 0 < model.rendered <= batch_size


def test_which_views_are_observed_depends_on_seed_and_scene_alone():
    first_view = np.array([0, 10, 20, 26, 29])
    chosen = choose_observed(first_view, 5, seed=1)
    assert [int(chosen[a:b].sum()) for a, b in zip(first_view[:-1], first_view[1:], strict=True)] == [5, 5, 5, 3]
    assert np.array_equal(choose_observed(first_view[:3], 5, seed=1), chosen[:20])
    assert np.array_equal(choose_observed(first_view, 5, seed=1), chosen)
    assert not np.array_equal(choose_observed(first_view, 5, seed=2), chosen)
    assert not np.array_equal(chosen[:10], chosen[10:20])
    often = np.mean([choose_observed(first_view, 5, seed=seed)[:10] for seed in range(400)], axis=0)
    assert often == pytest.approx(0.5, abs=0.1)


def test_rows_tell_which_views_were_observed_and_the_metrics_are_their_means():
    evaluation = evaluate(Misplaced(), packed_orbits(scenes=4, views=7), seed=2)
    observed = evaluation.rows["observed"] == 1
    assert observed.reshape(4, 7).sum(1).tolist() == [5] * 4
    assert set(evaluation.metrics) == {*METRICS, *SCENE_METRICS, *VIEW_METRICS}
    for name in ("miou", "mse", "duplicate_rate_latent"):
        values, scenes = (evaluation.rows[column] for column in (METRICS[name].column, "scene"))
        assert evaluation.metrics[name] == bootstrap_mean(values, 2, scenes)
        for of, views in (("observed", observed), ("unseen", ~observed)):
            assert evaluation.metrics[f"{name}_{of}"] == bootstrap_mean(values[views], 2, scenes[views])


def test_colours_tell_slots_in_views_that_were_shown_and_only_there():
    class Maskless(OrbitModel):
        """Knows all colours, and not where they are."""

        def render(self, latents, viewpoints):
            right = vars(super().render(latents, viewpoints))
            return Rendering(**{**right, "log_masks": torch.zeros_like(right["log_masks"]).log_softmax(2)})

    evaluation = evaluate(Maskless(), packed_orbits(scenes=4, views=7))
    assert evaluation.metrics["miou_posterior_observed"].mean > 0.9 > 2 * evaluation.metrics["miou_observed"].mean
    assert evaluation.metrics["miou_posterior_unseen"] == evaluation.metrics["miou_unseen"]


def test_an_object_that_changes_its_slot_between_views_costs_the_scenes_measures_alone():
    class Swapping(OrbitModel):
        def render(self, latents, viewpoints):
            right = vars(super().render(latents, viewpoints))
            swapped = {name: values.clone() for name, values in right.items()}
            for name in ("log_masks", "appearances"):
                swapped[name][:, 0, [1, 2]] = right[name][:, 0, [2, 1]]
            return Rendering(**swapped)

    packed = packed_orbits(scenes=4, views=6)
    whole, broken = evaluate(OrbitModel(), packed), evaluate(Swapping(), packed)
    assert broken.metrics["miou"].mean == broken.metrics["fg_ari"].mean == pytest.approx(1)
    for name in SCENE_METRICS:
        assert whole.metrics[name].mean == pytest.approx(1)
        assert broken.metrics[name].mean < 0.999
    assert broken.metrics["miou_scene"] == bootstrap_mean(broken.rows["miou_scene"][::6], seed=0)


def test_measures_of_a_scene_are_those_of_its_views_laid_side_by_side():
    from lds_models.metrics.segmentation import contingency, miou

    packed = packed_orbits(scenes=2, views=6)
    evaluation = evaluate(Misplaced(), packed)
    explanation = Explainer(Misplaced(), packed).batch(0)
    for scene in range(2):
        views = slice(6 * scene, 6 * scene + 6)
        wide = [np.concatenate(list(values[views]), 1)[None] for values in (packed.masks, explanation.segmentation)]
        assert evaluation.rows["miou_scene"][views] == pytest.approx(miou(contingency(*wide, 4, 6))[0])


def test_scenes_with_different_numbers_of_views_go_in_batches_of_their_own():
    packed, model = with_views(packed_orbits(scenes=1, views=24), 4, 6, 6, 8), OrbitModel()
    evaluation = evaluate(model, packed, observe=5)
    assert [tuple(images.shape[:2]) for images, _ in model.shown[:3]] == [(1, 4), (2, 5), (1, 5)]
    assert evaluation.rows["view"].tolist() == [*range(4), *range(6), *range(6), *range(8)]
    assert (evaluation.rows["observed"] == 0).sum() == 5
    assert "1 of 4 scenes have 5 views or fewer" in evaluation.warnings[0]


def test_batches_are_of_whole_scenes_as_many_as_fit():
    model = OrbitModel()
    evaluate(model, packed_orbits(scenes=3, views=4), batch_size=9, observe=3)
    assert {tuple(images.shape[:2]) for images, _ in model.shown} == {(2, 3), (1, 3)}


def test_where_all_views_are_observed_there_is_a_warning_and_nothing_unseen():
    evaluation = evaluate(OrbitModel(), packed_orbits(scenes=3, views=5))
    assert "none was left to render unseen" in evaluation.warnings[0] and "--observe" in evaluation.warnings[0]
    assert evaluation.scenes == () and evaluation.metrics["miou_unseen"] is None
    assert evaluation.metrics["miou_observed"] == evaluation.metrics["miou"]


def test_scenes_kept_are_best_median_and_worst_by_their_unseen_views_alone():
    class WorseAndWorse(OrbitModel):
        """Renders unseen views the more wrong the later it is asked."""

        def render(self, latents, viewpoints):
            right = super().render(latents, viewpoints)
            if viewpoints is self.shown[-1][1]:
                return right
            first = latents.new_tensor([self.places.index(tuple(place)) for place in latents[:, 1, -2:].tolist()])
            return Rendering(*(v.roll(int(first[0]), -1) for v in vars(right).values()))

    packed = packed_orbits(scenes=5, views=7)
    model = WorseAndWorse()
    plain = OrbitModel()
    places = []
    for index in range(5):
        Explainer(plain, packed, batch_size=7).batch(index)
        places.append(tuple(plain.infer(*plain.shown[-1]).mean[0, 1, -2:].tolist()))
    model.places = [places[i] for i in (3, 1, 0, 4, 2)]
    evaluation = evaluate(model, packed, batch_size=7)
    assert [(scene.reason, scene.name) for scene in evaluation.scenes] == [
        ("best", "squares_003"), ("median", "squares_000"), ("worst", "squares_002")
    ]  # fmt: skip
    best, _, worst = evaluation.scenes
    assert worst.observed["miou"] == pytest.approx(1) and worst.unseen["miou"] < 0.7 < best.unseen["miou"]
    assert worst.explanation.images.shape == (7, 64, 64, 3) and worst.explanation.observed.sum() == 5
    assert np.array_equal((worst.explanation.images * 255).round(), packed.images[14:21])


def test_slots_must_do_for_all_objects_of_a_scene_not_of_one_view():
    packed = packed_orbits(scenes=2, views=6)
    masks = packed.masks.copy()
    masks[::2][masks[::2] == 1] = 0
    masks[1::2][masks[1::2] == 3] = 0
    packed = dataclasses.replace(packed, masks=masks)
    assert evaluate(ColourModel(num_slots=3), packed).warnings == ()
    assert evaluate(OrbitModel(num_slots=4), packed).warnings == ()
    assert "3 slots, and a scene shows up to 3 objects" in evaluate(OrbitModel(num_slots=3), packed).warnings[0]


def test_without_masks_unseen_views_are_measured_by_their_colours():
    evaluation = evaluate(Misplaced(), packed_orbits(masks=False))
    assert evaluation.metrics["miou_unseen"] is None and evaluation.metrics["miou_scene"] is None
    assert evaluation.metrics["mse_unseen"].mean > evaluation.metrics["mse_observed"].mean
    assert set(evaluation.scenes[0].unseen) == {"mse"}


def test_single_view_models_have_no_measures_of_views_and_scenes():
    evaluation = evaluate(ColourModel(), packed_orbits())
    assert set(evaluation.metrics) == set(METRICS) and evaluation.scenes == ()
    assert not {"observed", "miou_scene"} & set(evaluation.rows)


def test_a_multi_view_model_on_data_without_poses_is_one_clear_error():
    packed = dataclasses.replace(packed_orbits(), viewpoints={})
    with pytest.raises(DatasetError, match="needs camera poses, and not every scene has them"):
        evaluate(OrbitModel(), packed)


@pytest.mark.parametrize("name", ["iodine", "mulmon"])
def test_models_that_need_gradients_to_infer_say_the_same_in_an_evaluation_as_alone(name):
    torch.manual_seed(0)
    settings = {"image_size": 16, "num_slots": 3, "latent_dim": 4, "iterations": 3, "decoder_channels": 8, "hidden": 8}
    model = build_model({"name": name, **settings})
    packed = packed_orbits(scenes=1, views=4, size=16)
    explanation = Explainer(model, packed, batch_size=4, seed=9).batch(0)
    images = torch.from_numpy(packed.images).permute(0, 3, 1, 2).float() / 255
    viewpoints = torch.from_numpy(packed.viewpoints["clevr"])
    torch.manual_seed(9)
    alone = model.infer(images[:, None]) if name == "iodine" else model.infer(images[None], viewpoints[None])
    assert alone.reconstruction.flatten(0, 1).permute(0, 2, 3, 1).numpy() == pytest.approx(explanation.reconstruction)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_unseen_views_of_mulmon_are_what_it_renders_from_what_it_inferred():
    torch.manual_seed(0)
    settings = {"image_size": 16, "num_slots": 3, "latent_dim": 4, "iterations": 2, "decoder_channels": 8, "hidden": 8}
    model = build_model({"name": "mulmon", **settings}).eval()
    packed = packed_orbits(scenes=1, views=6, size=16)
    explanation = Explainer(model, packed, seed=4, observe=2).batch(0)
    seen = np.flatnonzero(explanation.observed)
    images = torch.from_numpy(packed.images[seen]).permute(0, 3, 1, 2).float()[None] / 255
    viewpoints = torch.from_numpy(packed.viewpoints["clevr"])[None]
    torch.manual_seed(4)
    with torch.no_grad():
        rendered = model.render(model.infer(images, viewpoints[:, seen]).mean, viewpoints)
    assert rendered.reconstruction[0].permute(0, 2, 3, 1).numpy() == pytest.approx(explanation.reconstruction, abs=1e-5)
    assert rendered.log_masks[0, :, :, 0].exp().numpy() == pytest.approx(explanation.masks, abs=1e-5)


def test_the_toy_scenes_show_each_object_once_and_whole_in_every_view():
    packed = packed_orbits(scenes=5, views=8)
    assert (packed.masks.reshape(40, -1, 1) == np.arange(1, 4)).sum(1).tolist() == [[64] * 3] * 40
    assert np.array_equal(packed.images, COLOURS[packed.masks])
