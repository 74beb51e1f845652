from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from colour_scenes import ColourModel, packed_squares

from lds_models.evaluation import evaluate, first_scenes
from lds_models.explainer import Explainer, OutputError
from lds_models.measures import METRICS
from lds_models.metrics.statistics import bootstrap_mean


def test_a_model_that_segments_perfectly_scores_perfectly():
    evaluation = evaluate(ColourModel(), packed_squares())
    for name in ("miou", "miou_greedy", "ari", "fg_ari", "recall"):
        assert evaluation.metrics[name].mean == pytest.approx(1)
    assert evaluation.metrics["mse"].mean == pytest.approx(0, abs=1e-6)
    assert evaluation.metrics["duplicate_rate"].mean == 0
    assert evaluation.metrics["duplicate_rate_latent"].mean == 0
    assert abs(evaluation.metrics["sim"].mean) < 0.02
    assert evaluation.warnings == ()


def test_rows_name_every_image_and_the_metrics_are_their_means():
    evaluation = evaluate(ColourModel(twins=True), packed_squares(scenes=5, views=3), batch_size=4, seed=7)
    assert evaluation.num_images == 15 and evaluation.num_scenes == 5
    assert evaluation.rows["scene"].tolist()[2:4] == ["squares_000", "squares_001"]
    assert evaluation.rows["view"].tolist() == [0, 1, 2] * 5
    for name, metric in METRICS.items():
        values, scenes = (evaluation.rows[column] for column in (metric.column, "scene"))
        assert evaluation.metrics[name] == bootstrap_mean(values, seed=7, scenes=scenes)


def test_slots_that_share_an_object_are_counted_as_duplicates_by_masks_and_by_latents():
    evaluation = evaluate(ColourModel(twins=True), packed_squares(scenes=10))
    assert 0 < evaluation.metrics["duplicate_rate"].mean < 1
    halves = evaluation.rows["duplicate"] == 1
    assert (evaluation.rows["latent_score"][halves] == pytest.approx(1)) and evaluation.rows["miou"][halves].max() < 1
    for name, metric in (("overlap", "duplicate_rate"), ("latent", "duplicate_rate_latent")):
        sweep = evaluation.sweeps[name]
        assert sweep.rates == sorted(sweep.rates, reverse=True)
        assert sweep.rates[sweep.thresholds.index(sweep.default)] == evaluation.metrics[metric].mean


def test_the_posterior_segmentation_follows_colours_where_drawn_masks_do_not():
    class Maskless(ColourModel):
        """Knows all colours, and not where they are."""

        def infer(self, images, viewpoints=None):
            right = super().infer(images, viewpoints)
            return dataclasses.replace(right, log_masks=torch.zeros_like(right.log_masks).log_softmax(2))

    evaluation = evaluate(Maskless(num_slots=4), packed_squares())
    assert evaluation.metrics["miou"].mean < 0.5
    assert evaluation.metrics["miou_posterior"].mean == pytest.approx(1)
    assert evaluation.metrics["duplicate_rate_posterior"].mean == 0


def test_results_do_not_depend_on_the_batch_size():
    packed = packed_squares(scenes=4, views=3)
    one, many = (evaluate(ColourModel(twins=True), packed, batch_size=size) for size in (1, 5))
    for column in ("miou", "ari", "mse", "duplicate"):
        assert one.rows[column] == pytest.approx(many.rows[column], abs=1e-6)


def test_the_same_seed_gives_the_same_results_and_leaves_the_random_state_alone():
    packed = packed_squares()
    state = torch.random.get_rng_state()
    first, second, other = (evaluate(ColourModel(), packed, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert first.metrics == second.metrics
    assert [e.row for e in first.examples] == [e.row for e in second.examples]
    assert first.metrics["sim"] != other.metrics["sim"]


def test_single_view_models_get_one_view_at_a_time():
    single = ColourModel()
    evaluate(single, packed_squares(scenes=3, views=4), batch_size=5)
    assert {shape[1] for shape in single.seen} == {1} and max(shape[0] for shape in single.seen) == 5


def test_examples_are_the_best_the_median_the_worst_and_random_others():
    evaluation = evaluate(ColourModel(twins=True), packed_squares(scenes=8), batch_size=5)
    reasons = [example.reason for example in evaluation.examples]
    rows = [example.row for example in evaluation.examples]
    miou = evaluation.rows["miou"]
    assert reasons == ["best", "median", "worst", "random", "random", "random"]
    assert len(set(rows)) == len(rows)
    assert miou[rows[0]] == miou.max() and miou[rows[2]] == miou.min()
    for example in evaluation.examples:
        assert example.explanation.images.shape == (1, 64, 64, 3)
        assert example.explanation.table.sum() == 64 * 64
        assert example.explanation.visible.sum() == evaluation.rows["visible_slots"][example.row]


def test_a_single_image_can_be_evaluated():
    evaluation = evaluate(ColourModel(), packed_squares(scenes=1, views=1))
    assert [example.reason for example in evaluation.examples] == ["best"]
    assert evaluation.metrics["miou"].mean == pytest.approx(1) and np.isnan(evaluation.metrics["miou"].low)


def test_without_masks_segmentation_is_left_out_and_the_rest_is_measured():
    evaluation = evaluate(ColourModel(twins=True), packed_squares(masks=False))
    missing = {name for name, interval in evaluation.metrics.items() if interval is None}
    assert missing == {"miou", "miou_greedy", "ari", "fg_ari", "recall", "miou_posterior"} | {
        "duplicate_rate", "duplicate_rate_posterior"
    }  # fmt: skip
    assert list(evaluation.sweeps) == ["latent"]
    assert evaluation.examples[0].explanation.table is None
    assert "Not every scene has ground-truth masks" in evaluation.warnings[0]


def test_too_few_slots_are_warned_about():
    evaluation = evaluate(ColourModel(num_slots=3), packed_squares(objects=3))
    assert "3 slots" in evaluation.warnings[0] and "4 slots or more" in evaluation.warnings[0]
    assert evaluate(ColourModel(num_slots=4), packed_squares(objects=3)).warnings == ()


def test_only_the_first_scenes_can_be_taken():
    packed = first_scenes(packed_squares(scenes=5, views=4), 2)
    assert packed.images.shape[0] == packed.masks.shape[0] == packed.viewpoints["clevr"].shape[0] == 8
    evaluation = evaluate(ColourModel(), packed)
    assert evaluation.num_scenes == 2
    assert first_scenes(packed, 100).names == packed.names


def test_progress_adds_up_to_all_images():
    done = []
    evaluate(ColourModel(), packed_squares(scenes=3, views=4), batch_size=5, progress=done.append)
    assert done == [5, 5, 2]


def test_output_that_is_not_finite_is_one_clear_error():
    class Broken(ColourModel):
        def infer(self, images, viewpoints=None):
            good = super().infer(images, viewpoints)
            return dataclasses.replace(good, reconstruction=good.reconstruction * torch.nan)

    with pytest.raises(OutputError, match="not finite.*damaged or its training diverged"):
        evaluate(Broken(), packed_squares())


def test_an_image_explained_alone_is_the_one_of_its_batch():
    explainer = Explainer(ColourModel(twins=True), packed_squares(scenes=3, views=3), batch_size=4, seed=3)
    second = explainer.batch(1)
    alone = explainer.rows(slice(6, 7))
    assert np.array_equal(alone.masks[0], second.masks[2])
    assert np.array_equal(alone.cosines_of_samples[0], second.cosines_of_samples[2])
