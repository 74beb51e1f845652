"""MulMON: observing views one after another, querying others, its objective and its errors."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lds_models.mulmon import VIEWPOINT_DIMS, MulMON, MulMONConfig
from lds_models.registry import ConfigError, build_model

SIZES = {"image_size": 16, "num_slots": 3, "decoder_channels": 4, "hidden": 8}


def build(**settings) -> MulMON:
    torch.manual_seed(0)
    return MulMON(MulMONConfig(**SIZES, **settings))


def scenes(views: int = 5, count: int = 2, kind: str = "clevr") -> tuple[Tensor, Tensor]:
    torch.manual_seed(2)
    return torch.rand(count, views, 3, 16, 16), torch.randn(count, views, VIEWPOINT_DIMS[kind])


@pytest.mark.parametrize("kind", ["clevr", "pose"])
def test_inference_keeps_the_contract_for_both_kinds_of_viewpoints(kind: str) -> None:
    model, (images, viewpoints) = build(viewpoint_kind=kind), scenes(kind=kind)
    with torch.inference_mode():
        inference = model.infer(images, viewpoints)
    assert inference.mean.shape == inference.std.shape == inference.sample.shape == (2, 3, 16)
    assert inference.log_masks.shape == (2, 5, 3, 1, 16, 16)
    assert inference.appearances.shape == (2, 5, 3, 3, 16, 16)
    torch.testing.assert_close(inference.log_masks.exp().sum(2), torch.ones(2, 5, 1, 16, 16))
    torch.testing.assert_close(inference.reconstruction, (inference.log_masks.exp() * inference.appearances).sum(2))


def test_views_rendered_are_those_asked_for() -> None:
    model, (images, viewpoints) = build(), scenes()
    inference = model.infer(images, viewpoints)
    rendering = model.render(inference.mean, viewpoints[:, [3, 1]])
    torch.testing.assert_close(rendering.log_masks, inference.log_masks[:, [3, 1]])
    torch.testing.assert_close(rendering.reconstruction, inference.reconstruction[:, [3, 1]])


def test_what_is_known_after_a_view_is_the_prior_of_the_next() -> None:
    model, (images, viewpoints) = build(), scenes()
    _, history = model.observe(images, model.viewpoint_encoder(viewpoints))
    assert [len(view) for view in history] == [5] * 5
    for view in history:  # nothing was learnt from a view before it is refined
        torch.testing.assert_close(view[0].kl, torch.zeros(2))
        assert (view[-1].kl > 0).all()


def test_more_views_are_fused_than_the_last_one() -> None:
    model, (images, viewpoints) = build(), scenes()
    other = images.clone()
    other[:, 0] = 1 - other[:, 0]
    means = []
    for seen in (images, other):
        torch.manual_seed(1)
        means.append(model.infer(seen, viewpoints).mean)
    assert (means[0] - means[1]).abs().max() > 1e-6


def test_total_weighs_views_and_iterations_by_their_number() -> None:
    observed = {"min_observed": 2, "max_observed": 2}
    model, (images, viewpoints) = build(iterations=2, viewpoint_noise=0.0, lds_weight=0.5, **observed), scenes()
    images, viewpoints = images[:, :1].expand(-1, 5, -1, -1, -1), viewpoints[:, :1].expand(-1, 5, -1)
    for parameter in model.refiner.network.head.parameters():
        torch.nn.init.zeros_(parameter)
    model.noise_like = torch.zeros_like
    # Nothing is ever learnt, and all views are the same: each evaluation is the first one, and weights sum to 1.
    terms = model.loss(images, viewpoints)
    torch.testing.assert_close(terms.total, terms.nll + terms.kl_latent - 0.5 * terms.lds + terms.query_nll)
    torch.testing.assert_close(terms.query_nll, terms.nll)


def test_one_to_six_views_are_observed_and_the_others_queried(monkeypatch: pytest.MonkeyPatch) -> None:
    model, (images, viewpoints) = build(iterations=1), scenes(views=10)
    seen = []
    observe = model.observe
    monkeypatch.setattr(model, "observe", lambda x, codes: (seen.append(x), observe(x, codes))[1])
    for _ in range(60):
        model.loss(images, viewpoints)
    assert {x.shape[1] for x in seen} == {1, 2, 3, 4, 5, 6}
    first = {int((images[0] == x[0, 0]).flatten(1).all(1).nonzero()) for x in seen}
    assert len(first) > 5, "the same views are observed every time"


def test_all_views_may_be_observed_where_there_are_few() -> None:
    images, viewpoints = scenes(views=1)
    assert build().loss(images, viewpoints).query_nll == 0


def test_losses_of_two_shards_average_to_the_whole_batchs() -> None:
    model, (images, viewpoints), losses = build(), scenes(count=4), []
    for shard, part in (((0, 1), slice(4)), ((0, 2), slice(2)), ((1, 2), slice(2, 4))):
        model.shard = shard
        torch.manual_seed(1)
        losses.append(model.loss(images[part], viewpoints[part]).total)
    torch.testing.assert_close((losses[1] + losses[2]) / 2, losses[0])


@pytest.mark.parametrize("given", [None, torch.zeros(2, 5, 6), torch.zeros(2, 4, 3)])
def test_viewpoints_that_do_not_fit_are_refused(given: Tensor | None) -> None:
    images, _ = scenes()
    for call in (build().loss, build().infer):
        with pytest.raises(ValueError, match=r"expected viewpoints \[2, 5, 3\] \(clevr\), got"):
            call(images, given)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"viewpoint_kind": "polar"}, "one of clevr, pose, gqn, got 'polar'"),
        ({"decoder_activation": "tanh"}, "decoder_activation must be relu or elu, got 'tanh'"),
        ({"views": 3}, "its settings are .*max_observed"),
    ],
)
def test_bad_settings_are_named(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_model({"name": "mulmon", **settings})
