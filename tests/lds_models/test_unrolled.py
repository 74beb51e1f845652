"""Iterative inference as one graph, against the models' own with the same noise."""

from __future__ import annotations

import itertools

import pytest
import torch

from lds_models.iodine import IODINE, IODINEConfig
from lds_models.mixture import log_responsibilities
from lds_models.mulmon import MulMON, MulMONConfig
from lds_models.unrolled import UnrolledIODINE, UnrolledMulMON

SMALL = {"image_size": 16, "num_slots": 3, "iterations": 4, "decoder_channels": 6, "hidden": 12, "pixel_std": 0.3}


def with_noise(model, noise: torch.Tensor, monkeypatch: pytest.MonkeyPatch):
    """The model, whose every view is inferred with noise [T-1,K,D]; what it draws besides does not matter."""
    calls = itertools.count()
    steps = model.config.iterations
    drawn = [*noise[:, None], torch.zeros_like(noise[:1])]  # that of the last evaluation changes no posterior
    monkeypatch.setattr(model, "noise_like", lambda _: drawn[next(calls) % steps])
    return model.double().eval()


def draw() -> torch.Tensor:
    return torch.randn(SMALL["iterations"] - 1, SMALL["num_slots"], 16, dtype=torch.double)


def trained_a_little(model):
    """Networks whose every part matters: with first weights, updates are next to nothing."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.15 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize("patch", [1, 2, 4])
def test_iodine_infers_the_same(patch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    noise = draw()
    model = with_noise(trained_a_little(IODINE(IODINEConfig(**SMALL, patch=patch))), noise, monkeypatch)
    image = torch.rand(1, 3, 16, 16, dtype=torch.double)
    expected = model.infer(image[:, None])
    with torch.no_grad():
        masks, latents = UnrolledIODINE(model, noise).double()(image)
    assert latents.std() > 0.1 and masks.std() > 1e-3
    torch.testing.assert_close(latents, expected.mean[0], rtol=1e-6, atol=1e-8)
    drawn = image[:, None], expected.appearances, expected.log_masks
    responsibilities = log_responsibilities(*drawn, model.pixel_std).exp()
    torch.testing.assert_close(masks, responsibilities[0, 0, :, 0], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("activation", "padded", "patch"), [("relu", False, 1), ("elu", True, 2), ("relu", False, 4)])
def test_mulmon_fuses_the_same_view_by_view(
    activation: str, padded: bool, patch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    config = MulMONConfig(
        **SMALL, patch=patch, viewpoint_kind="pose", decoder_activation=activation, decoder_padded=padded
    )
    noise = draw()
    model = with_noise(trained_a_little(MulMON(config)), noise, monkeypatch)
    images, viewpoints = torch.rand(1, 3, 3, 16, 16, dtype=torch.double), torch.randn(1, 3, 9, dtype=torch.double)
    expected = model.fuse(images, viewpoints)
    step = UnrolledMulMON(model).double()
    mean, logvar = (part.expand(3, -1) for part in model.initial.detach().chunk(2))
    with torch.no_grad():
        for view in range(3):
            mean, logvar = step(images[:, view], viewpoints[:, view], noise, mean, logvar)
    assert mean.std() > 0.1
    torch.testing.assert_close(mean, expected.mean[0], rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(logvar, expected.logvar[0], rtol=1e-6, atol=1e-8)
