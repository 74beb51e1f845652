"""MONet: the contract of scene models, the masks, its layers against PyTorch's."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from lds_models.lds_prior import lds_prior
from lds_models.monet import MONet, MONetConfig
from lds_models.registry import ConfigError, build_model

SMALL = MONetConfig(image_size=32, num_slots=4, attention_channels=8, decoder_channels=8)


@pytest.fixture
def model() -> MONet:
    torch.manual_seed(0)
    return MONet(replace(SMALL))  # a test may change its settings


@pytest.mark.parametrize("patch", [1, 2])
def test_inference_keeps_the_contract(patch: int) -> None:
    model = MONet(MONetConfig(image_size=32, num_slots=4, patch=patch))
    inference = model.infer(torch.rand(2, 1, 3, 32, 32))
    assert inference.mean.shape == inference.std.shape == inference.sample.shape == (2, 4, 16)
    assert inference.log_masks.shape == (2, 1, 4, 1, 32, 32)
    assert inference.appearances.shape == (2, 1, 4, 3, 32, 32)
    assert inference.reconstruction.shape == (2, 1, 3, 32, 32)
    assert (inference.std > 0).all()
    assert 0 <= inference.appearances.min() and inference.appearances.max() <= 1


def test_masks_sum_to_one_and_scopes_telescope(model: MONet) -> None:
    log_masks = model.double().attend(torch.rand(2, 3, 32, 32, dtype=torch.float64))
    masks = log_masks.exp()
    torch.testing.assert_close(masks.sum(1), torch.ones(2, 1, 32, 32, dtype=torch.float64))
    # What the first k masks leave is the scope that the next one shares out: no mask exceeds it.
    left = 1 - torch.cumsum(masks, 1)
    assert (masks[:, 1:] <= left[:, :-1] + 1e-9).all()
    torch.testing.assert_close(masks[:, -1], left[:, -2])


def test_reconstruction_is_the_mixtures_mean(model: MONet) -> None:
    inference = model.infer(torch.rand(2, 1, 3, 32, 32))
    expected = (inference.log_masks.exp() * inference.appearances).sum(2)
    torch.testing.assert_close(inference.reconstruction, expected)


def test_total_is_the_papers_objective(model: MONet) -> None:
    model.config.lds_weight = 0.5
    terms = model.loss(torch.rand(3, 1, 3, 32, 32))
    expected = terms.nll + 0.5 * terms.kl_latent + 0.5 * terms.kl_mask - 0.5 * terms.lds
    torch.testing.assert_close(terms.total, expected)


def test_latents_and_masks_have_weights_of_their_own() -> None:
    model = MONet(replace(SMALL, kl_latent_weight=0.25, kl_mask_weight=2.0))
    terms = model.loss(torch.rand(3, 1, 3, 32, 32))
    torch.testing.assert_close(terms.total, terms.nll + 0.25 * terms.kl_latent + 2 * terms.kl_mask)


def test_lds_is_computed_on_what_the_config_names() -> None:
    torch.manual_seed(0)
    model = MONet(MONetConfig(image_size=32, num_slots=4, lds_on="mean"))
    images = torch.rand(2, 1, 3, 32, 32)
    expected = lds_prior(model.infer(images).mean).mean()
    torch.testing.assert_close(model.loss(images).lds, expected)


def test_lds_leaves_inference_untouched() -> None:
    images = torch.rand(2, 1, 3, 32, 32)
    outputs = []
    for weight in (0.0, 0.5):
        torch.manual_seed(0)
        outputs.append(MONet(MONetConfig(image_size=32, num_slots=4, lds_weight=weight)).infer(images).log_masks)
    torch.testing.assert_close(*outputs, rtol=0, atol=0)


def test_image_of_another_size_is_refused(model: MONet) -> None:
    with pytest.raises(ValueError, match=r"expected images \[B,V,3,32,32\], got \[1, 1, 3, 64, 64\]"):
        model.infer(torch.rand(1, 1, 3, 64, 64))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "mognet"}, "unknown model 'mognet'; choose from monet"),
        ({"name": "monet", "slots": 5}, "slots"),
        ({"name": "monet", "num_slots": "many"}, "many"),
        ({"name": "monet", "image_size": 48}, "power of two"),
        ({"name": "monet", "lds_on": "noise"}, "sample or mean"),
    ],
)
def test_bad_settings_are_named(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_model(settings)
